// SPDX-License-Identifier: Apache-2.0
#include "files.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <new>
#include <system_error>
#include <utility>

#include "firecaffe/core/error.hpp"

namespace firecaffe::model_io {

namespace {

constexpr const char* kHidden = ".tmp-";

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

int open_retrying(const std::filesystem::path& path, int flags, mode_t mode = 0) {
    int fd;
    do fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/// O_NONBLOCK: a FIFO in place of a file must not make us wait for its writer.
int open_regular(const std::filesystem::path& path, std::size_t& size) {
    const int fd = open_retrying(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            throw MissingInputError("there is no file ", in_quotes(path.native()), "; check the path");
        if (errno == ELOOP)
            throw DataError(in_quotes(path.native()), " is a symbolic link; put the file itself in its place");
        throw_io("open", path, errno);
    }
    struct stat info {};
    const int failed = ::fstat(fd, &info) != 0 ? errno : 0;
    if (failed != 0 || !S_ISREG(info.st_mode)) {
        ::close(fd);
        if (failed != 0) throw_io("examine", path, failed);
        throw DataError(in_quotes(path.native()), " is not a regular file; put the file itself in its place");
    }
    size = static_cast<std::size_t>(info.st_size);
    return fd;
}

/// 0 at the end of the file.
std::size_t read_some(int fd, std::span<std::byte> out, const std::filesystem::path& path) {
    ssize_t got;
    do got = ::read(fd, out.data(), std::min<std::size_t>(out.size(), std::size_t{1} << 30));
    while (got < 0 && errno == EINTR);
    if (got < 0) throw_io("read", path, errno);
    return static_cast<std::size_t>(got);
}

std::string cure_of(int error_number) {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT:
            return "free some space, or choose another output directory";
        case EFBIG:
            return "raise the limit on file sizes (ulimit -f), or choose another output directory";
        case EACCES:
        case EPERM:
        case EROFS:
            return "choose an output directory that this user may write";
        case EIO:
            return "the device reports a fault: check it, and choose another output directory";
        default:
            return "check the path and the file system";
    }
}

}  // namespace

void throw_io(std::string_view what, const std::filesystem::path& path, int error_number) {
    throw IoError("cannot ", what, " ", in_quotes(path.native()), ": ", std::generic_category().message(error_number),
                  "; ", cure_of(error_number));
}

std::string in_quotes(std::string_view s) {
    constexpr std::size_t kLongest = 300;
    std::string out = "'";
    for (const char c : s.substr(0, kLongest)) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            char buffer[8];
            std::snprintf(buffer, sizeof buffer, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
            out += buffer;
        } else {
            out += c;
        }
    }
    return out + (s.size() > kLongest ? "...'" : "'");
}

DurableFile::DurableFile(std::filesystem::path path)
    : path_(std::move(path)), fd_(open_retrying(path_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666)) {
    if (fd_ < 0) throw_io("create", path_, errno);
}

DurableFile::~DurableFile() {
    if (fd_ >= 0) ::close(fd_);
}

void DurableFile::write(std::span<const std::byte> bytes) {
    hash_.update(bytes);
    while (!bytes.empty()) {
        const ssize_t done = ::write(fd_, bytes.data(), std::min<std::size_t>(bytes.size(), std::size_t{1} << 30));
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) throw_io("write", path_, errno);
        bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
}

Digest DurableFile::finish() {
    int failed;
    do failed = ::fsync(fd_) != 0 ? errno : 0;
    while (failed == EINTR);
    if (failed != 0) throw_io("make durable", path_, failed);
    // Linux releases the descriptor even when close() reports EINTR.
    if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) throw_io("close", path_, errno);
    return hash_.finish();
}

void sync_directory(const std::filesystem::path& directory) {
    const Descriptor fd(open_retrying(directory, O_RDONLY | O_DIRECTORY));
    if (fd.get() < 0) throw_io("open the directory", directory, errno);
    int failed;
    do failed = ::fsync(fd.get()) != 0 ? errno : 0;
    while (failed == EINTR);
    // EINVAL: this file system has no fsync for directories, so there is nothing to wait for.
    if (failed != 0 && failed != EINVAL) throw_io("make durable the directory", directory, failed);
}

void rename_path(const std::filesystem::path& from, const std::filesystem::path& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) throw_io("rename to its final name", to, errno);
}

std::filesystem::path hidden_path(const std::filesystem::path& root, const std::string& what) {
    return root / text(kHidden, what, "-", ::getpid());
}

bool is_abandoned(const std::string& name, const std::string& what) {
    if (!name.starts_with(what.empty() ? kHidden : text(kHidden, what, "-"))) return false;
    const std::string_view digits = std::string_view(name).substr(name.rfind('-') + 1);
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    if (error != std::errc() || end != digits.data() + digits.size() || pid <= 0) return false;
    return pid == ::getpid() || (::kill(pid, 0) != 0 && errno == ESRCH);
}

std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
    std::size_t size = 0;
    const Descriptor fd(open_regular(path, size));
    std::vector<std::byte> bytes;
    try {
        bytes.resize(size);
    } catch (const std::exception&) {
        throw IoError("cannot read ", in_quotes(path.native()), ": its ", size,
                      " bytes do not fit into memory; use a machine with more, or check the file");
    }
    std::size_t done = 0;
    while (done < size) {
        const std::size_t got = read_some(fd.get(), std::span(bytes).subspan(done), path);
        if (got == 0)
            throw DataError(in_quotes(path.native()), " shrank from ", size, " to ", done,
                            " bytes while it was read; is another process writing it?");
        done += got;
    }
    return bytes;
}

}  // namespace firecaffe::model_io
