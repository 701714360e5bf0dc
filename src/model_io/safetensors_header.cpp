// SPDX-License-Identifier: Apache-2.0
#include "safetensors_header.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "files.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::model_io {

namespace {

constexpr std::uint64_t kPreamble = 8;
constexpr const char* kCure = "; the file is damaged or not safetensors: fetch or save it again";

/// Takes the parser's events. No tree is built, so that the memory used stays in proportion to the header.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
  public:
    HeaderReader(const std::string& origin, Header& header) : origin_(origin), header_(header) {}

    bool start_object(std::size_t) override {
        switch (place_) {
            case Place::before:
                place_ = Place::top;
                return true;
            case Place::top_value:
                place_ = key_ == "__metadata__" ? Place::metadata : Place::entry;
                if (place_ == Place::entry) header_.entries.push_back({key_, {}, {}, {}});
                return true;
            default:
                return refuse("an object");
        }
    }

    bool end_object() override {
        if (place_ == Place::entry && fields_ != (kDtype | kShape | kOffsets))
            fail("the entry lacks one of dtype, shape and data_offsets");
        place_ = place_ == Place::top ? Place::after : Place::top;
        fields_ = 0;
        return true;
    }

    bool key(std::string& name) override {
        switch (place_) {
            case Place::top:
                key_ = name;
                if (!names_.insert(name).second) fail("the name is there twice");
                place_ = Place::top_value;
                return true;
            case Place::metadata:
                field_ = name;
                if (header_.metadata.count(name) != 0) fail(text("the key ", in_quotes(name), " is there twice"));
                place_ = Place::metadata_value;
                return true;
            case Place::entry: {
                const int bit = name == "dtype"          ? kDtype
                                : name == "shape"        ? kShape
                                : name == "data_offsets" ? kOffsets
                                                         : 0;
                if (bit == 0) fail(text("the key ", in_quotes(name), " is not part of the format"));
                if ((fields_ & bit) != 0) fail(text("the key ", in_quotes(name), " is there twice"));
                fields_ |= bit;
                place_ = bit == kDtype ? Place::dtype_value : bit == kShape ? Place::shape_value : Place::offsets_value;
                return true;
            }
            default:
                return refuse("a key");
        }
    }

    bool start_array(std::size_t) override {
        if (place_ == Place::shape_value)
            place_ = Place::shape_items;
        else if (place_ == Place::offsets_value)
            place_ = Place::offset_items;
        else
            return refuse("an array");
        return true;
    }

    bool end_array() override {
        if (place_ == Place::offset_items && header_.entries.back().offsets.size() != 2)
            fail("data_offsets has not two numbers");
        place_ = Place::entry;
        return true;
    }

    bool string(std::string& value) override {
        if (place_ == Place::metadata_value) {
            header_.metadata.emplace(field_, std::move(value));
            place_ = Place::metadata;
        } else if (place_ == Place::dtype_value) {
            header_.entries.back().dtype = std::move(value);
            place_ = Place::entry;
        } else {
            return refuse("a string");
        }
        return true;
    }

    bool number_unsigned(std::uint64_t value) override {
        if (place_ == Place::shape_items) {
            if (header_.entries.back().shape.size() == Shape::kMaxRank)
                fail(text("the shape has more than ", Shape::kMaxRank, " extents"));
            header_.entries.back().shape.push_back(value);
        } else if (place_ == Place::offset_items) {
            if (header_.entries.back().offsets.size() == 2) fail("data_offsets has not two numbers");
            header_.entries.back().offsets.push_back(value);
        } else {
            return refuse("a number");
        }
        return true;
    }

    bool number_integer(std::int64_t) override { return refuse("a negative number"); }
    bool number_float(double, const std::string&) override { return refuse("a number that is no 64-bit integer"); }
    bool null() override { return refuse("null"); }
    bool boolean(bool) override { return refuse("a truth value"); }
    bool binary(nlohmann::json::binary_t&) override { return refuse("binary data"); }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
        throw DataError(in_quotes(origin_), ": the header is not JSON at offset ", kPreamble + position, kCure);
    }

  private:
    enum class Place {
        before,
        top,
        top_value,
        metadata,
        metadata_value,
        entry,
        dtype_value,
        shape_value,
        shape_items,
        offsets_value,
        offset_items,
        after
    };
    static constexpr int kDtype = 1, kShape = 2, kOffsets = 4;

    [[noreturn]] void fail(const std::string& what) const {
        throw DataError(in_quotes(origin_), ": header entry ", in_quotes(key_), ": ", what, kCure);
    }
    bool refuse(const char* what) const { fail(text(what, " where the format has none")); }

    const std::string& origin_;
    Header& header_;
    Place place_ = Place::before;
    int fields_ = 0;
    std::string key_, field_;
    std::set<std::string> names_;
};

}  // namespace

Header parse_header(std::string_view json, const std::string& origin) {
    Header header;
    // The parser would skip a byte order mark; the format allows nothing before the brace.
    if (json.empty() || json.front() != '{')
        throw DataError(in_quotes(origin), ": the header does not begin with '{' at offset ", kPreamble, kCure);
    HeaderReader reader(origin, header);
    nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
    return header;
}

}  // namespace firecaffe::model_io
