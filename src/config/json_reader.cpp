// SPDX-License-Identifier: Apache-2.0
#include "config/json_reader.hpp"

#include <algorithm>
#include <iterator>

#include "firecaffe/core/error.hpp"

namespace firecaffe::config {

namespace {

/// An iterator over the text that notes how far nlohmann's lexer has read.
class Tape {
  public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    Tape(const char* at, const char** reached) : at_(at), reached_(reached) {}
    reference operator*() const { return *at_; }
    Tape& operator++() {
        *reached_ = ++at_;
        return *this;
    }
    Tape operator++(int) {
        const Tape before = *this;
        ++*this;
        return before;
    }
    bool operator==(const Tape& other) const { return at_ == other.at_; }
    bool operator!=(const Tape& other) const { return at_ != other.at_; }

  private:
    const char* at_;
    const char** reached_;
};

/// Builds the document and knows where it is; with a target it stops there, or, if the target is an array whose
/// elements are wanted, notes where each of them begins.
class Builder final : public nlohmann::json_sax<Json> {
  public:
    Builder(std::string_view text, const std::string& file, const Path* target, bool target_key)
        : text_(text), file_(file), target_(target), target_key_(target_key), reached_(text.data()) {
        if (text_.starts_with("\xEF\xBB\xBF")) token_end_ = 3;
    }

    void run() {
        Json::sax_parse(Tape(text_.data(), &reached_), Tape(text_.data() + text_.size(), &reached_), this,
                        nlohmann::detail::input_format_t::json, true, true);
    }

    Json root;
    std::optional<std::size_t> found;
    std::vector<std::size_t> elements;
    bool wants_elements = false;  ///< the target is the array

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add_number(value); }
    bool number_unsigned(number_unsigned_t value) override { return add_number(value); }
    bool number_float(number_float_t value, const string_t&) override { return add_number(value); }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(Json::object()); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override {
        Level& level = levels_.back();
        level.key = std::move(name);
        const std::size_t start = token_start();
        if (level.container->contains(level.key)) fail(start, text("duplicate key '", printable(level.key), "'"));
        token_end_ = offset();
        if (target_key_ && at_target()) {
            found = start;
            return false;
        }
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
        std::string_view what = error.what();
        if (const auto end = what.find("] "); end != what.npos) what.remove_prefix(end + 2);
        if (what.starts_with("parse error at "))
            if (const auto end = what.find(": "); end != what.npos) what.remove_prefix(end + 2);
        std::string ascii(what);  // it quotes what was read, which need not be UTF-8
        std::replace_if(
            ascii.begin(), ascii.end(), [](char c) { return (c & 0x80) != 0; }, '?');
        // The position says it better than "; last read: '...'", which may be long.
        if (const auto begin = ascii.find("; last read: "); begin != ascii.npos) {
            const auto end = ascii.rfind("; expected ");
            ascii.erase(begin, end == ascii.npos || end < begin ? ascii.npos : end - begin);
        }
        fail(position == 0 ? 0 : position - 1, printable(ascii, 240));
    }

  private:
    struct Level {
        Json* container;
        std::string key;        ///< of the member being read
        std::size_t index = 0;  ///< of the element being read
    };

    [[noreturn]] void fail(std::size_t where, const std::string& what) const {
        Path path;
        for (const Level& level : levels_)
            path.push_back(level.container->is_array() ? std::to_string(level.index) : level.key);
        while (!path.empty() && path.back().empty()) path.pop_back();
        throw ConfigError(file_, ":", line_and_column(text_, where), ": ", printable(pointer(path)), ": ", what);
    }

    std::size_t offset() const { return static_cast<std::size_t>(reached_ - text_.data()); }

    /// Where the token begins that was just read: what lies between it and the token before is no token.
    std::size_t token_start() const {
        std::size_t at = token_end_;
        while (at < text_.size()) {
            const std::string_view rest = text_.substr(at);
            if (rest.starts_with("//")) {
                at += std::min(rest.find('\n'), rest.size());
            } else if (rest.starts_with("/*")) {
                at += std::min(rest.find("*/", 2), rest.size() - 2) + 2;
            } else if (std::string_view(" \t\r\n,:").find(rest[0]) != std::string_view::npos) {
                ++at;
            } else {
                break;
            }
        }
        return at;
    }

    bool at_target(std::size_t below = 0) const {
        if (target_ == nullptr || target_->size() + below != levels_.size()) return false;
        for (std::size_t i = target_->size(); i-- > 0;) {
            const Level& level = levels_[i];
            if ((*target_)[i] != (level.container->is_array() ? std::to_string(level.index) : level.key)) return false;
        }
        return true;
    }

    /// Puts a value where the document has room for it; returns where it lies.
    Json* place(Json value) {
        if (levels_.empty()) return &(root = std::move(value));
        Json& container = *levels_.back().container;
        if (container.is_array()) return &container.emplace_back(std::move(value));
        return &(container[levels_.back().key] = std::move(value));
    }

    bool arrived() {
        if (wants_elements) {
            if (at_target(1) && levels_.back().container->is_array()) elements.push_back(token_start());
            return false;
        }
        if (!at_target()) return false;
        found = token_start();
        return true;
    }

    bool add(Json value) {
        if (arrived()) return false;
        place(std::move(value));
        token_end_ = offset();
        next();
        return true;
    }

    /// The lexer has read one character beyond a number, except at the end of the text.
    template <class Number>
    bool add_number(Number value) {
        const bool more = add(value);
        if (offset() < text_.size()) --token_end_;
        return more;
    }

    bool open(Json value) {
        if (arrived()) return false;
        if (levels_.size() >= kDeepest) fail(token_start(), text("nested deeper than ", kDeepest, " levels"));
        token_end_ = offset();
        levels_.push_back({place(std::move(value)), {}, 0});
        return true;
    }

    bool close() {
        levels_.pop_back();
        token_end_ = offset();
        next();
        return true;
    }

    void next() {
        if (levels_.empty()) return;
        ++levels_.back().index;
        levels_.back().key.clear();
    }

    std::string_view text_;
    const std::string& file_;
    const Path* target_;
    bool target_key_;
    const char* reached_;
    std::size_t token_end_ = 0;
    std::vector<Level> levels_;
};

}  // namespace

std::string pointer(const Path& path, std::size_t skip) {
    std::string out;
    for (std::size_t i = skip; i < path.size(); ++i) {
        out += '/';
        for (const char c : path[i]) out += c == '~' ? std::string("~0") : c == '/' ? "~1" : std::string(1, c);
    }
    return out.empty() ? "/" : out;
}

Json parse_json(std::string_view text, const std::string& file) {
    if (text.size() > kLargestText)
        throw ConfigError(file, ":1:1: /: larger than ", kLargestText, " bytes; is this the right file?");
    if (const auto zero = text.find('\0'); zero != text.npos)
        throw ConfigError(file, ":", line_and_column(text, zero), ": /: a zero byte; is this the right file?");
    Builder builder(text, file, nullptr, false);
    builder.run();
    return std::move(builder.root);
}

std::optional<std::size_t> locate(std::string_view text, const Path& path, bool key) {
    const std::string nameless;
    Builder builder(text, nameless, &path, key);
    builder.run();
    return builder.found;
}

std::vector<std::size_t> locate_elements(std::string_view text, const Path& path) {
    const std::string nameless;
    Builder builder(text, nameless, &path, false);
    builder.wants_elements = true;
    builder.run();
    return std::move(builder.elements);
}

std::string line_and_column(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, offset);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const auto last = before.rfind('\n');
    const std::string_view row = last == before.npos ? before : before.substr(last + 1);
    const auto column = std::count_if(row.begin(), row.end(), [](char c) { return (c & 0xC0) != 0x80; }) + 1;
    return firecaffe::text(line, ":", column);
}

std::string printable(std::string_view text, std::size_t longest) {
    std::string out;
    for (const char c : text) {
        if (out.size() >= longest && (c & 0xC0) != 0x80) return out + "...";
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    }
    return out;
}

std::string shown(const Json& value) {
    if (value.is_array()) return value.empty() ? "an empty array" : text("an array of ", value.size());
    if (value.is_object()) return "an object";
    const std::string dumped = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    return printable(dumped, 60);
}

}  // namespace firecaffe::config
