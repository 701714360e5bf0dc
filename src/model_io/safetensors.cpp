// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/model_io/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "files.hpp"
#include "firecaffe/core/error.hpp"
#include "safetensors_header.hpp"

namespace firecaffe {

static_assert(std::endian::native == std::endian::little,
              "safetensors is little endian; this machine would swap bytes");

using model_io::in_quotes;

namespace {

constexpr std::size_t kPreamble = 8;
constexpr const char* kDamaged = "; the file is damaged or not safetensors: fetch or save it again";

constexpr std::pair<DType, const char*> kDtypes[] = {{DType::float32, "F32"},
                                                     {DType::float64, "F64"},
                                                     {DType::int32, "I32"},
                                                     {DType::int64, "I64"},
                                                     {DType::uint8, "U8"}};

const char* format_name(DType dtype) {
    for (const auto& [ours, theirs] : kDtypes)
        if (ours == dtype) return theirs;
    throw InternalError("DType ", static_cast<int>(dtype), " has no name in safetensors; please report it");
}

std::optional<DType> dtype_named(const std::string& name) {
    for (const auto& [ours, theirs] : kDtypes)
        if (name == theirs) return ours;
    return std::nullopt;
}

/// Bytes of an array, or nothing where they do not fit into 63 bits. A zero extent does not excuse the others.
std::optional<std::uint64_t> checked_bytes(std::span<const std::uint64_t> extents, DType dtype) {
    std::uint64_t elements = 1, bytes = 0;
    bool empty = false;
    constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    for (const std::uint64_t extent : extents) {
        empty = empty || extent == 0;
        if (extent != 0 && __builtin_mul_overflow(elements, extent, &elements)) return std::nullopt;
        if (elements > kLargest) return std::nullopt;
    }
    if (__builtin_mul_overflow(elements, std::uint64_t{size_of(dtype)}, &bytes) || bytes > kLargest)
        return std::nullopt;
    return empty ? 0 : bytes;
}

std::uint64_t little_endian(std::span<const std::byte> bytes) {
    std::uint64_t value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

/// Turns one entry into a view, checking all that concerns it alone.
NamedArray checked_array(const model_io::HeaderEntry& entry, std::span<const std::byte> data, std::uint64_t data_begin,
                         const std::string& origin) {
    const std::string place = text(in_quotes(origin), ": array ", in_quotes(entry.name), ": ");
    const std::optional<DType> dtype = dtype_named(entry.dtype);
    if (!dtype)
        throw DataError(place, "element type ", in_quotes(entry.dtype),
                        " is not supported; convert it to F32, F64, I32, I64 or U8");
    const std::optional<std::uint64_t> bytes = checked_bytes(entry.shape, *dtype);
    if (!bytes) throw DataError(place, "the shape has more than 2^63 bytes", kDamaged);
    const std::uint64_t begin = entry.offsets[0], end = entry.offsets[1];
    if (begin > end || end > data.size())
        throw DataError(place, "data at offset ", begin, " to ", end, " of ", data.size(),
                        " bytes of data (which begin at offset ", data_begin, " of the file)", kDamaged);
    std::vector<std::int64_t> extents;
    for (const std::uint64_t extent : entry.shape) {
        if (extent > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            throw DataError(place, "extent ", extent, " is beyond 2^63", kDamaged);
        extents.push_back(static_cast<std::int64_t>(extent));
    }
    const Shape shape{std::span<const std::int64_t>(extents)};
    if (end - begin != *bytes)
        throw DataError(place, to_string(*dtype), " of shape ", shape, " takes ", *bytes,
                        " bytes, but the data at offset ", begin, " have ", end - begin, kDamaged);
    return {entry.name, *dtype, shape,
            data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin))};
}

}  // namespace

SafetensorsPlan plan_safetensors(std::span<const NamedArray> arrays, const SafetensorsMetadata& metadata) {
    SafetensorsPlan plan;
    std::set<std::string_view> names;
    for (const NamedArray& array : arrays) {
        if (array.name == "__metadata__") throw UsageError("an array may not be called '__metadata__'; rename it");
        if (!names.insert(array.name).second)
            throw UsageError("two arrays are called ", in_quotes(array.name), "; names must differ");
        std::vector<std::uint64_t> extents(array.shape.extents().begin(), array.shape.extents().end());
        const std::optional<std::uint64_t> bytes = checked_bytes(extents, array.dtype);
        if (!bytes || *bytes != array.data.size())
            throw UsageError("array ", in_quotes(array.name), " of shape ", array.shape, " and type ", array.dtype,
                             " has ", array.data.size(), " bytes of data; pass shape.count() * size_of(dtype) bytes");
        plan.arrays.push_back(&array);
    }
    std::stable_sort(plan.arrays.begin(), plan.arrays.end(),
                     [](const NamedArray* a, const NamedArray* b) { return size_of(a->dtype) > size_of(b->dtype); });

    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::uint64_t offset = 0;
    for (const NamedArray* array : plan.arrays) {
        const std::span<const std::int64_t> extents = array->shape.extents();
        nlohmann::ordered_json& entry = header[array->name];
        entry["dtype"] = format_name(array->dtype);
        entry["shape"] = std::vector<std::int64_t>(extents.begin(), extents.end());
        entry["data_offsets"] = {offset, offset + array->data.size()};
        offset += array->data.size();
    }
    std::string json;
    try {
        json = header.dump();
    } catch (const nlohmann::json::type_error&) {
        throw UsageError("a name or a metadata string of a safetensors file is not UTF-8; encode it as UTF-8");
    }
    json.append((8 - json.size() % 8) % 8, ' ');
    if (json.size() > kSafetensorsMaxHeader)
        throw UsageError("the header of a safetensors file would have ", json.size(), " bytes; at most ",
                         kSafetensorsMaxHeader, " are allowed: save fewer arrays or less metadata");
    const std::uint64_t length = json.size();
    plan.head.assign(reinterpret_cast<const char*>(&length), sizeof length);
    plan.head += json;
    return plan;
}

void save_safetensors(const std::string& path, std::span<const NamedArray> arrays,
                      const SafetensorsMetadata& metadata) {
    const std::filesystem::path final_path = path;
    const SafetensorsPlan plan = plan_safetensors(arrays, metadata);
    const std::filesystem::path directory = final_path.has_parent_path() ? final_path.parent_path() : ".";
    const std::filesystem::path temporary = model_io::hidden_path(directory, final_path.filename().string());
    try {
        std::error_code ignored;
        std::filesystem::remove(temporary, ignored);
        model_io::DurableFile file(temporary);
        file.write(plan.head);
        for (const NamedArray* array : plan.arrays) file.write(array->data);
        file.finish();
        model_io::rename_path(temporary, final_path);
        model_io::sync_directory(directory);
    } catch (...) {
        std::error_code ignored;
        std::filesystem::remove(temporary, ignored);
        throw;
    }
}

SafetensorsFile::SafetensorsFile(std::string origin, std::vector<std::byte> bytes)
    : origin_(std::move(origin)), bytes_(std::move(bytes)) {
    const std::span<const std::byte> all(bytes_);
    if (all.size() < kPreamble)
        throw DataError(in_quotes(origin_), " has ", all.size(), " bytes; a safetensors file begins with eight",
                        kDamaged);
    const std::uint64_t length = little_endian(all.first(kPreamble));
    if (length > kSafetensorsMaxHeader)
        throw DataError(in_quotes(origin_), ": offset 0 states a header of ", length, " bytes; at most ",
                        kSafetensorsMaxHeader, " are allowed", kDamaged);
    if (length > all.size() - kPreamble)
        throw DataError(in_quotes(origin_), ": offset 0 states a header of ", length, " bytes, but the file has ",
                        all.size(), kDamaged);
    const auto header_length = static_cast<std::size_t>(length);
    const std::span<const std::byte> data = all.subspan(kPreamble + header_length);
    model_io::Header header = model_io::parse_header(model_io::as_text(all.subspan(kPreamble, header_length)), origin_);
    metadata_ = std::move(header.metadata);

    // In the order of their data, empty arrays before others at the same place: then no overlap and no hole means that
    // each begins where the one before it ends.
    std::stable_sort(
        header.entries.begin(), header.entries.end(),
        [](const model_io::HeaderEntry& a, const model_io::HeaderEntry& b) { return a.offsets < b.offsets; });
    std::uint64_t expected = 0;
    arrays_.reserve(header.entries.size());
    for (const model_io::HeaderEntry& entry : header.entries) {
        arrays_.push_back(checked_array(entry, data, kPreamble + length, origin_));
        if (entry.offsets[0] != expected)
            throw DataError(
                in_quotes(origin_), ": array ", in_quotes(entry.name), ": data begin at offset ", entry.offsets[0],
                entry.offsets[0] < expected ? ", inside another array that ends at " : ", after a gap that begins at ",
                expected, kDamaged);
        expected = entry.offsets[1];
        index_.emplace(entry.name, arrays_.size() - 1);
    }
    if (expected != data.size())
        throw DataError(in_quotes(origin_), ": the arrays end at offset ", kPreamble + length + expected,
                        ", but the file has ", all.size(), " bytes", kDamaged);
}

SafetensorsFile SafetensorsFile::load(const std::string& path) {
    return SafetensorsFile(path, model_io::read_bytes(path));
}

const NamedArray* SafetensorsFile::find(std::string_view name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &arrays_[found->second];
}

void SafetensorsFile::copy_to(std::string_view name, DType dtype, const Shape& shape, std::span<std::byte> out) const {
    const NamedArray* array = find(name);
    if (array == nullptr)
        throw DataError(in_quotes(origin_), " has no array ", in_quotes(name), " among its ", arrays_.size(),
                        "; is it a file of another net?");
    if (array->dtype != dtype || !(array->shape == shape))
        throw DataError(in_quotes(origin_), ": array ", in_quotes(name), " is ", array->dtype, " of shape ",
                        array->shape, ", but ", dtype, " of shape ", shape, " is needed; is it a file of another net?");
    FIRECAFFE_INVARIANT(out.size() == array->data.size());
    if (!out.empty()) std::memcpy(out.data(), array->data.data(), out.size());
}

}  // namespace firecaffe
