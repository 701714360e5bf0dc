// SPDX-License-Identifier: Apache-2.0
#include "comm/rendezvous/address_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>

#include "firecaffe/core/error.hpp"
#include "firecaffe/core/sha256.hpp"

namespace firecaffe::comm {

namespace {

constexpr std::string_view kFirstLine = "firecaffe rendezvous 1";

}  // namespace

AddressFile::AddressFile(std::string path, const AddressFileContent& content) : path_(std::move(path)) {
    std::string lines = text(kFirstLine, "\naddress ", content.address, "\n");
    if (!content.token.empty()) lines += text("token ", to_hex(content.token), "\n");
    const std::string aside = text(path_, ".", static_cast<long>(::getpid()), ".tmp");
    const auto fail = [&](const char* what) {
        const std::string why = error_text(errno);
        ::unlink(aside.c_str());
        throw UnavailableError("cannot ", what, " the rendezvous file '", path_, "': ", why,
                               "; name a file in a folder that all ranks share and you may write to");
    };
    ::unlink(aside.c_str());
    fd_.reset(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd_) fail("create");
    if (::write(fd_.get(), lines.data(), lines.size()) != static_cast<ssize_t>(lines.size())) fail("write");
    if (::rename(aside.c_str(), path_.c_str()) != 0) fail("put in place");
}

AddressFile::~AddressFile() {
    struct stat there {
    }, ours{};
    if (::lstat(path_.c_str(), &there) == 0 && ::fstat(fd_.get(), &ours) == 0 && there.st_dev == ours.st_dev &&
        there.st_ino == ours.st_ino)
        ::unlink(path_.c_str());
}

std::optional<AddressFileContent> read_address_file(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!fd) {
        if (errno == ENOENT) return std::nullopt;
        throw UnavailableError("cannot open the rendezvous file '", path, "': ", error_text(errno),
                               "; it must be a file of rank 0, not a link");
    }
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0)
        throw UnavailableError("cannot look at the rendezvous file '", path, "': ", error_text(errno));
    if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
        throw UnavailableError("the rendezvous file '", path, "' (owner ", status.st_uid,
                               ") was not written by rank 0 of this user, or others can touch it; remove it, or name a "
                               "file in a folder of your own");
    std::array<char, 4096> buffer;
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    std::string_view rest(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    const auto line = [&] {
        const auto end = rest.find('\n');
        const std::string_view result = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        return result;
    };
    AddressFileContent content;
    constexpr std::string_view kAddress = "address ", kToken = "token ";
    const bool first = line() == kFirstLine;
    const std::string_view address = line(), token = line();
    if (!first || !address.starts_with(kAddress))
        throw UnavailableError("'", path, "' is no rendezvous file of this version; remove it, or name another file");
    content.address = address.substr(kAddress.size());
    if (token.starts_with(kToken)) content.token = token_from_hex(token.substr(kToken.size()));
    return content;
}

}  // namespace firecaffe::comm
