// SPDX-License-Identifier: Apache-2.0
// ByteSource: the bytes of a file, unpacked if it is gzip.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace firecaffe::data_detail {

/// Reads from front to back. A file that starts with 1f 8b is unpacked; several gzip streams may follow each other.
class ByteSource {
  public:
    /// Throws MissingInputError if the file cannot be opened, DataError if it is not a regular file.
    explicit ByteSource(const std::string& path);
    ~ByteSource();

    /// Fills `out` and returns its size, or less where the bytes end. Throws DataError for a damaged gzip stream,
    /// IoError if the disk fails.
    std::size_t read(std::span<std::uint8_t> out);

    /// Reads up to `count` bytes and forgets them; returns how many there were.
    std::uint64_t skip(std::uint64_t count);

    /// True if the file ended inside of a gzip stream.
    bool cut_off() const;
    bool compressed() const;

    /// No more bytes than this can come out.
    std::uint64_t at_most() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace firecaffe::data_detail
