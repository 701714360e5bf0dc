// SPDX-License-Identifier: Apache-2.0
// Files that survive a crash: every error of the system is an IoError with the path, and nothing counts as written
// before fsync has said so.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firecaffe/core/sha256.hpp"

namespace firecaffe::model_io {

/// Throws IoError: "cannot <what> <path>: <text of error_number>; <cure>".
[[noreturn]] void throw_io(std::string_view what, const std::filesystem::path& path, int error_number);

/// `s` in single quotes, control characters as \xNN and long text cut, so that a message stays one line.
std::string in_quotes(std::string_view s);

/// A new file that is written once, hashed on the way, and only good after finish().
class DurableFile {
  public:
    /// Creates `path`, which must not exist.
    explicit DurableFile(std::filesystem::path path);
    ~DurableFile();
    DurableFile(const DurableFile&) = delete;
    DurableFile& operator=(const DurableFile&) = delete;

    void write(std::span<const std::byte> bytes);
    void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
    /// Fsyncs and closes; returns the SHA-256 of all that was written.
    Digest finish();

  private:
    std::filesystem::path path_;
    int fd_ = -1;
    Sha256 hash_;
};

/// Makes renames and new names in a directory durable.
void sync_directory(const std::filesystem::path& directory);

void rename_path(const std::filesystem::path& from, const std::filesystem::path& to);

/// Where this process writes what will become `what` in `root`: `<root>/.tmp-<what>-<pid>`.
std::filesystem::path hidden_path(const std::filesystem::path& root, const std::string& what);
/// Whether a name is that of a hidden_path(), of `what` or of anything, that belongs to a process that is gone, or to
/// an earlier try of this one.
bool is_abandoned(const std::string& name, const std::string& what = {});

/// All bytes of a regular file. MissingInputError if it is not there; DataError if it is not a regular file (a symbolic
/// link is not one here); IoError otherwise.
std::vector<std::byte> read_bytes(const std::filesystem::path& path);

inline std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace firecaffe::model_io
