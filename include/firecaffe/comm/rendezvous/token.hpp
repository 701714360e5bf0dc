// SPDX-License-Identifier: Apache-2.0
// The job token: the secret that all workers of one job share. Whoever starts the job draws it; every connection is
// proved with it (handshake.hpp). It never belongs in a command line, a log or a checkpoint.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace firecaffe::comm {

inline constexpr std::size_t kTokenBytes = 32;          ///< what make_token() draws
inline constexpr std::size_t kSmallestTokenBytes = 16;  ///< 128 bits; a shorter token is refused
inline constexpr std::size_t kLargestTokenBytes = 1024;

using Token = std::vector<std::byte>;

/// Draws a fresh token from the kernel's generator.
Token make_token();

/// Reads a token written as hexadecimal digits; spaces and line ends around them are ignored. Throws UnavailableError
/// for other characters, an odd number of digits, or a token that is too short or too long. Messages never show it.
Token token_from_hex(std::string_view hex);

/// Reads a token (hexadecimal) from a file. The file must be a regular file (no symbolic link), owned by the effective
/// user and closed to everybody else (mode 0600 or 0400), else UnavailableError; MissingInputError if it is not there.
Token token_from_file(const std::string& path);

/// Reads a token (raw bytes, not hexadecimal) from an inherited descriptor: a memfd or file from its start, whatever
/// the position that other workers left behind, or a pipe to its end. The descriptor stays open.
Token token_from_descriptor(int descriptor);

/// Throws UnavailableError unless the length is acceptable. `origin` names the source, for the message.
void check_token(std::span<const std::byte> token, std::string_view origin);

/// Overwrites the bytes, in a way the compiler may not drop, and empties the vector.
void wipe(Token& token) noexcept;

}  // namespace firecaffe::comm
