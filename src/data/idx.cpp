// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/idx.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "data/byte_source.hpp"
#include "data/checks.hpp"

namespace firecaffe {

using data_detail::ByteSource;

namespace {

std::size_t size_of(IdxType type) {
    return type == IdxType::float32 ? 4 : 1;
}

/// The float at `bytes`.
float stored_float(const std::uint8_t* bytes) {
    return std::bit_cast<float>(std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
                                std::uint32_t{bytes[2]} << 8 | std::uint32_t{bytes[3]});
}

/// "expected 16 bytes, found 12", and where the bytes were counted.
[[noreturn]] void throw_size(const std::string& path, const ByteSource& source, std::uint64_t expected,
                             std::uint64_t found) {
    throw DataError(path, ": expected ", expected, " bytes, found ", found, source.compressed() ? " (unpacked)" : "",
                    source.cut_off() ? "; the gzip stream is cut off" : "", "; fetch the file again");
}

struct Header {
    IdxType type;
    Shape shape;
};

Header read_header(const std::string& path, ByteSource& source) {
    std::array<std::uint8_t, 4 + 4 * Shape::kMaxRank> bytes{};
    const auto magic = std::span(bytes).first(4);
    if (const std::size_t got = source.read(magic); got < 4) throw_size(path, source, 4, got);
    const std::size_t rank = magic[3];
    if (magic[0] != 0 || magic[1] != 0)
        throw DataError(path, ": not an IDX file: it starts with the bytes ", magic[0], ' ', magic[1],
                        " where 0 0 must be; check the path");
    const auto type = static_cast<IdxType>(magic[2]);
    if (type != IdxType::unsigned_byte && type != IdxType::float32)
        throw DataError(path, ": IDX element type ", magic[2],
                        "; unsigned bytes (type 8) and floats (type 13) can be read");
    if (rank == 0 || rank > Shape::kMaxRank)
        throw DataError(path, ": IDX header with ", rank, " axes; 1 to ", Shape::kMaxRank, " are possible");

    const auto extents = std::span(bytes).subspan(4, 4 * rank);
    if (const std::size_t got = source.read(extents); got < extents.size())
        throw_size(path, source, 4 + extents.size(), 4 + got);
    std::array<std::int64_t, Shape::kMaxRank> values{};
    for (std::size_t axis = 0; axis < rank; ++axis)
        for (std::size_t i = 0; i < 4; ++i) values[axis] = values[axis] << 8 | extents[4 * axis + i];
    return {type, Shape(std::span<const std::int64_t>(values).first(rank))};
}

/// Bytes of the elements; zero extents do not hide the overflow of the others.
std::uint64_t checked_bytes(const std::string& path, const Header& header) {
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    const Shape& shape = header.shape;
    auto product = static_cast<std::int64_t>(size_of(header.type));
    bool empty = false;
    for (const std::int64_t extent : shape.extents()) {
        empty = empty || extent == 0;
        if (extent != 0 && product > kMost / extent)
            throw DataError(path, ": IDX extents ", shape, " have a product beyond 63 bits; the header is damaged");
        product *= std::max<std::int64_t>(extent, 1);
    }
    return empty ? 0 : static_cast<std::uint64_t>(product);
}

/// Grows with what really comes out, so that a wrong header cannot ask for all memory.
std::vector<std::uint8_t> read_bytes(ByteSource& source, std::uint64_t count) {
    constexpr std::uint64_t kChunk = 1 << 20;
    std::vector<std::uint8_t> bytes;
    bytes.reserve(static_cast<std::size_t>(std::min(count, source.at_most())));
    while (bytes.size() < count) {
        const std::size_t old = bytes.size();
        const auto n = static_cast<std::size_t>(std::min(count - old, kChunk));
        bytes.resize(old + n);
        const std::size_t got = source.read(std::span(bytes).subspan(old));
        if (got < n) {
            bytes.resize(old + got);
            break;
        }
    }
    return bytes;
}

}  // namespace

IdxArray read_idx(const std::string& path, std::int64_t limit) {
    if (limit < 0) throw ConfigError(path, ": limit ", limit, " is negative; use 0 for all records");
    ByteSource source(path);
    IdxArray array;
    const auto [type, stored] = read_header(path, source);
    const std::uint64_t count = checked_bytes(path, {type, stored});
    array.type = type;
    array.records_in_file = stored[0];
    array.shape = limit == 0 ? stored : stored.with_batch(std::min(limit, stored[0]));
    const std::uint64_t kept = count == 0 ? 0 : static_cast<std::uint64_t>(array.shape.count()) * size_of(type);

    array.bytes = read_bytes(source, kept);
    const std::uint64_t header = 4 + 4 * stored.rank();
    // The end is looked for in any case: it is where gzip keeps its checksum.
    const std::uint64_t found = array.bytes.size() + source.skip(std::numeric_limits<std::uint64_t>::max());
    if (found != count || source.cut_off()) throw_size(path, source, header + count, header + found);
    return array;
}

std::vector<std::uint8_t> idx_header(IdxType type, const Shape& shape) {
    if (shape.rank() == 0) throw UsageError("IDX: a shape without axes; give one axis or more");
    std::vector<std::uint8_t> bytes{0, 0, static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(shape.rank())};
    for (const std::int64_t extent : shape.extents()) {
        if (extent > std::numeric_limits<std::uint32_t>::max())
            throw UsageError("IDX: the shape ", shape, " has an extent beyond 32 bits; write several files");
        for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(extent >> shift));
    }
    return bytes;
}

std::vector<std::uint8_t> idx_floats(std::span<const float> values) {
    std::vector<std::uint8_t> bytes(4 * values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto bits = std::bit_cast<std::uint32_t>(values[i]);
        for (std::size_t b = 0; b < 4; ++b) bytes[4 * i + b] = static_cast<std::uint8_t>(bits >> (24 - 8 * b));
    }
    return bytes;
}

IdxDataset::IdxDataset(const std::string& images, const std::string& labels, std::int64_t classes, std::int64_t limit)
    : classes_(classes) {
    if (classes < 1 || classes > 256)
        throw ConfigError(labels, ": classes ", classes, "; labels are bytes, so 1 to 256 classes are possible");
    IdxArray pixels = read_idx(images, limit);
    IdxArray marks = read_idx(labels, limit);
    if (pixels.shape.rank() != 3 && pixels.shape.rank() != 4)
        throw DataError(images, ": IDX axes ", pixels.shape, "; images have N, H, W or N, C, H, W");
    if (marks.type != IdxType::unsigned_byte)
        throw DataError(labels, ": IDX element type ", static_cast<int>(marks.type),
                        "; labels are unsigned bytes (type 8): name the file of the labels");
    if (marks.shape.rank() != 1) throw DataError(labels, ": IDX axes ", marks.shape, "; labels have one axis");
    if (pixels.records_in_file != marks.records_in_file)
        throw DataError(images, " has ", pixels.records_in_file, " images, but ", labels, " has ",
                        marks.records_in_file, " labels; name two files of the same set");

    const auto extents = pixels.shape.extents();
    shape_ = extents.size() == 4 ? Shape{extents[1], extents[2], extents[3]} : Shape{1, extents[1], extents[2]};
    if (pixels.shape[0] > 0) {
        try {
            data_detail::check_sample_shape("images", shape_);
        } catch (const ShapeError& error) {
            throw DataError(images, ": ", std::string(error.what()));
        }
    }
    for (std::size_t i = 0; i < marks.bytes.size(); ++i)
        if (marks.bytes[i] >= classes)
            throw DataError(labels, ": record ", i, " has label ", marks.bytes[i], ", not in [0, ", classes,
                            "); raise 'classes' or check the file");
    type_ = pixels.type;
    pixels_ = std::move(pixels.bytes);
    labels_ = std::move(marks.bytes);
    if (type_ == IdxType::float32)
        for (std::size_t i = 0; i < pixels_.size(); i += 4)
            if (!std::isfinite(stored_float(pixels_.data() + i)))
                throw DataError(images, ": record ", i / 4 / static_cast<std::size_t>(shape_.count()),
                                " has a pixel that is not a finite number; make the file anew");
}

void IdxDataset::get(std::uint32_t, std::size_t index, Sample& sample) const {
    data_detail::check_get("IdxDataset", index, size(), shape_, sample);
    const std::uint8_t* source = pixels_.data() + index * sample.pixels.size() * size_of(type_);
    if (type_ == IdxType::float32) {
        for (std::size_t i = 0; i < sample.pixels.size(); ++i) sample.pixels[i] = stored_float(source + 4 * i);
    } else {
        std::copy_n(source, sample.pixels.size(), sample.pixels.data());
    }
    sample.label = labels_[index];
    sample.id = index;
}

void IdxDataset::get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const {
    if (!has_bytes()) return Dataset::get_bytes(epoch, index, sample);
    data_detail::check_get("IdxDataset", index, size(), shape_, sample);
    std::copy_n(pixels_.data() + index * sample.pixels.size(), sample.pixels.size(), sample.pixels.data());
    sample.label = labels_[index];
    sample.id = index;
    sample.place = {};
}

}  // namespace firecaffe
