// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/shared_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <new>
#include <utility>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

}  // namespace

SharedMemory::SharedMemory(UniqueFd fd, std::size_t bytes, Access access) : fd_(std::move(fd)), bytes_(bytes) {
    void* place =
        ::mmap(nullptr, bytes, access == Access::write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd_.get(), 0);
    if (place == MAP_FAILED && errno == ENOMEM) throw std::bad_alloc();
    if (place == MAP_FAILED)
        throw UnavailableError("cannot map ", bytes, " bytes of shared memory: ", error_text(errno));
    data_ = static_cast<std::byte*>(place);
    // A wish, which the system grants if /sys/kernel/mm/transparent_hugepage/shmem_enabled says so.
    if (bytes >= kHugePage) ::madvise(place, bytes, MADV_HUGEPAGE);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept {
    *this = std::move(other);
}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

SharedMemory::~SharedMemory() {
    if (data_ != nullptr) ::munmap(data_, bytes_);
}

SharedMemory SharedMemory::create(std::size_t bytes) {
    UniqueFd fd(::memfd_create("firecaffe", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd)
        throw UnavailableError("cannot create shared memory: memfd_create: ", error_text(errno),
                               "; use the transport tcp");
    if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0 || ::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0)
        throw UnavailableError("cannot create ", bytes, " bytes of shared memory: ", error_text(errno),
                               "; use the transport tcp");
    return SharedMemory(std::move(fd), bytes, Access::write);
}

SharedMemory SharedMemory::open(UniqueFd fd, std::size_t bytes, Access access) {
    struct stat status {};
    const int seals = ::fcntl(fd.get(), F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || ::fstat(fd.get(), &status) != 0 ||
        status.st_size != static_cast<off_t>(bytes))
        throw UnavailableError("the shared memory that a peer offers is not the ", bytes,
                               " sealed bytes that it should be; use the same build on all ranks");
    return SharedMemory(std::move(fd), bytes, access);
}

}  // namespace firecaffe::comm
