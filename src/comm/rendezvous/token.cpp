// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/rendezvous/token.hpp"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "comm/transport/socket.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/core/sha256.hpp"

namespace firecaffe::comm {

namespace {

constexpr std::string_view kCure = "; make one with: openssl rand -hex 32";

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

Token parse_hex(std::string_view hex, std::string_view origin) {
    constexpr std::string_view kSpace = " \t\r\n";
    const auto first = hex.find_first_not_of(kSpace);
    hex = first == std::string_view::npos ? std::string_view{}
                                          : hex.substr(first, hex.find_last_not_of(kSpace) - first + 1);
    if (hex.size() % 2 != 0)
        throw UnavailableError("the job token from ", origin, " has an odd number of hexadecimal digits (", hex.size(),
                               ")", kCure);
    Token token;
    token.reserve(hex.size() / 2);
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        const int high = digit(hex[i]), low = digit(hex[i + 1]);
        if (high < 0 || low < 0) {
            wipe(token);
            throw UnavailableError("the job token from ", origin, " is not hexadecimal near character ", i, kCure);
        }
        token.push_back(static_cast<std::byte>(high * 16 + low));
    }
    check_token(token, origin);
    return token;
}

// At most kLargestTokenBytes * 2 + 64 bytes, which is enough to see that it is too long.
Token read_all(int fd, std::string_view origin) {
    Token bytes(kLargestTokenBytes * 2 + 64);
    std::size_t used = 0;
    const bool seekable = ::lseek(fd, 0, SEEK_CUR) >= 0;
    while (used < bytes.size()) {
        const ssize_t n = seekable ? ::pread(fd, bytes.data() + used, bytes.size() - used, static_cast<off_t>(used))
                                   : ::read(fd, bytes.data() + used, bytes.size() - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            const std::string why = error_text(errno);
            wipe(bytes);
            throw UnavailableError("cannot read the job token from ", origin, ": ", why);
        }
        if (n == 0) break;
        used += static_cast<std::size_t>(n);
    }
    bytes.resize(used);
    return bytes;
}

}  // namespace

void check_token(std::span<const std::byte> token, std::string_view origin) {
    if (token.size() < kSmallestTokenBytes)
        throw UnavailableError("the job token from ", origin, " has ", token.size() * 8, " bits; at least ",
                               kSmallestTokenBytes * 8, " are needed", kCure);
    if (token.size() > kLargestTokenBytes)
        throw UnavailableError("the job token from ", origin, " is longer than ", kLargestTokenBytes, " bytes", kCure);
}

void wipe(Token& token) noexcept {
    if (!token.empty()) ::explicit_bzero(token.data(), token.size());
    token.clear();
}

Token make_token() {
    Token token(kTokenBytes);
    secure_random(token);
    return token;
}

Token token_from_hex(std::string_view hex) {
    return parse_hex(hex, "its text");
}

Token token_from_file(const std::string& path) {
    const std::string origin = text("file '", path, "'");
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (fd.get() < 0) {
        if (errno == ENOENT) throw MissingInputError("the token file '", path, "' is not there", kCure);
        if (errno == ELOOP)
            throw UnavailableError("the token file '", path, "' is a symbolic link; name the file itself");
        throw UnavailableError("cannot open the token file '", path, "': ", error_text(errno));
    }
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0)
        throw UnavailableError("cannot look at the token file '", path, "': ", error_text(errno));
    if (!S_ISREG(status.st_mode)) throw UnavailableError("the token file '", path, "' is not a regular file");
    if (status.st_uid != ::geteuid())
        throw UnavailableError("the token file '", path, "' belongs to user ", status.st_uid, ", not to user ",
                               ::geteuid(), " who runs this program");
    if ((status.st_mode & 077) != 0)
        throw UnavailableError("the token file '", path, "' can be read or written by others; run: chmod 600 ", path);
    Token content = read_all(fd.get(), origin);
    try {
        Token token = parse_hex({reinterpret_cast<const char*>(content.data()), content.size()}, origin);
        wipe(content);
        return token;
    } catch (...) {
        wipe(content);
        throw;
    }
}

Token token_from_descriptor(int descriptor) {
    const std::string origin = text("descriptor ", descriptor);
    Token token = read_all(descriptor, origin);
    check_token(token, origin);
    return token;
}

}  // namespace firecaffe::comm
