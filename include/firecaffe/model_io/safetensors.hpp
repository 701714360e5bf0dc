// SPDX-License-Identifier: Apache-2.0
// Safetensors: named arrays in one file. The layout is that of https://github.com/huggingface/safetensors: eight bytes
// with the length of a JSON header (little endian), the header, then the arrays' bytes without any gap.
//
// A file is data and never code. The reader trusts nothing: each length is checked in 64-bit arithmetic before use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firecaffe/core/dtype.hpp"
#include "firecaffe/core/shape.hpp"

namespace firecaffe {

/// A named view of an array's bytes, in C order and little endian. It owns no data.
struct NamedArray {
    std::string name;  ///< layer and blob, for example "conv1.weight"; UTF-8
    DType dtype = DType::float32;
    Shape shape;
    std::span<const std::byte> data;  ///< exactly shape.count() * size_of(dtype) bytes
};

/// Free text beside the arrays (`__metadata__`): strings to strings only.
using SafetensorsMetadata = std::map<std::string, std::string>;

/// The longest header that is read or written.
inline constexpr std::uint64_t kSafetensorsMaxHeader = 100'000'000;

/// A file to be: its first bytes, and the arrays in the order in which their data follow.
struct SafetensorsPlan {
    std::string head;                       ///< eight bytes of length and the JSON, padded to a multiple of 8
    std::vector<const NamedArray*> arrays;  ///< wide elements first, so that each array is aligned to its element
};

/// Plans a file; `arrays` must outlive the plan. Throws UsageError for a name that is there twice, is reserved or is
/// not UTF-8, for data whose size is not that of the shape, and for a header beyond kSafetensorsMaxHeader.
SafetensorsPlan plan_safetensors(std::span<const NamedArray> arrays, const SafetensorsMetadata& metadata = {});

/// Writes `path` under a temporary name beside it, fsyncs and renames, so that a reader sees the old file or the new
/// one. Throws UsageError as plan_safetensors does, and IoError (path and reason; an old file is intact).
void save_safetensors(const std::string& path, std::span<const NamedArray> arrays,
                      const SafetensorsMetadata& metadata = {});

/// A checked file in memory. Movable; the views of `arrays()` stay valid as long as the object that owns the bytes,
/// and a move hands them on. Const calls are safe from several threads.
class SafetensorsFile {
  public:
    /// A file without arrays.
    SafetensorsFile() = default;

    /// Checks `bytes`; `origin` names them in errors. Throws DataError, naming origin, array and offset, for a header
    /// that is longer than the bytes or than kSafetensorsMaxHeader, is not the JSON it should be or has a key twice;
    /// for an element type other than F32, F64, I32, I64 and U8; for a shape beyond six extents or 2^63 bytes; and for
    /// data that disagree with their shape, overlap, leave a gap, or end elsewhere than the file does.
    SafetensorsFile(std::string origin, std::vector<std::byte> bytes);

    SafetensorsFile(SafetensorsFile&&) noexcept = default;
    SafetensorsFile& operator=(SafetensorsFile&&) noexcept = default;
    SafetensorsFile(const SafetensorsFile&) = delete;
    SafetensorsFile& operator=(const SafetensorsFile&) = delete;

    /// Reads a file and checks it. Also throws MissingInputError where there is none and IoError where reading fails.
    static SafetensorsFile load(const std::string& path);

    /// In the order of their data. Files of other writers may hold arrays that are not aligned to their elements.
    const std::vector<NamedArray>& arrays() const { return arrays_; }
    const SafetensorsMetadata& metadata() const { return metadata_; }

    /// The array of that name, or nullptr.
    const NamedArray* find(std::string_view name) const;

    /// Copies one array; works for unaligned ones too. Throws DataError where the name is missing, or where dtype or
    /// shape differ from what the caller has; the message gives both.
    void copy_to(std::string_view name, DType dtype, const Shape& shape, std::span<std::byte> out) const;

  private:
    std::string origin_ = "(empty)";
    std::vector<std::byte> bytes_;
    std::vector<NamedArray> arrays_;
    std::map<std::string, std::size_t, std::less<>> index_;
    SafetensorsMetadata metadata_;
};

}  // namespace firecaffe
