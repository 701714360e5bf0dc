// SPDX-License-Identifier: Apache-2.0
#include "data/byte_source.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <system_error>

#include "firecaffe/core/error.hpp"

namespace firecaffe::data_detail {

namespace {

/// Deflate packs at most 258 bytes into two bits.
constexpr std::uint64_t kMaxInflation = 1032;

std::string reason(int error) {
    return std::generic_category().message(error);
}

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

struct ByteSource::State {
    std::string path;
    std::unique_ptr<std::FILE, CloseFile> file;
    std::uint64_t file_size = 0;
    std::array<std::uint8_t, 1 << 16> input;
    std::size_t begin = 0, end = 0;  // what is left of `input`
    bool compressed = false;
    bool inside_stream = false;  // between a gzip header and its trailer
    bool inflating = false;
    z_stream zlib{};
    std::uint64_t unpacked = 0;

    ~State() {
        if (inflating) inflateEnd(&zlib);
    }

    /// Makes `input` not empty unless the file has ended.
    void refill() {
        if (begin < end) return;
        begin = 0;
        end = std::fread(input.data(), 1, input.size(), file.get());
        if (end == 0 && std::ferror(file.get()))
            throw IoError(path, ": reading failed: ", reason(errno), "; check the disk");
    }

    std::size_t read_plain(std::span<std::uint8_t> out) {
        std::size_t done = 0;
        while (done < out.size()) {
            refill();
            if (begin == end) break;
            const std::size_t n = std::min(end - begin, out.size() - done);
            std::copy_n(input.data() + begin, n, out.data() + done);
            begin += n;
            done += n;
        }
        return done;
    }

    std::size_t inflate_some(std::span<std::uint8_t> out) {
        zlib.next_in = input.data() + begin;
        zlib.avail_in = static_cast<uInt>(end - begin);
        zlib.next_out = out.data();
        zlib.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), 1u << 30));
        const uInt wanted = zlib.avail_out;
        const int status = inflate(&zlib, Z_NO_FLUSH);
        begin = end - zlib.avail_in;
        const std::size_t got = wanted - zlib.avail_out;
        unpacked += got;
        if (status == Z_STREAM_END) {
            inside_stream = false;
            inflateReset(&zlib);
        } else if (status != Z_OK && status != Z_BUF_ERROR) {
            throw DataError(path, ": the gzip stream is damaged after ", unpacked, " unpacked bytes (",
                            zlib.msg ? zlib.msg : "no reason given", "); fetch the file again");
        }
        return got;
    }

    std::size_t read_packed(std::span<std::uint8_t> out) {
        std::size_t done = 0;
        while (done < out.size()) {
            refill();
            if (begin == end && !inside_stream) break;
            const bool file_ended = begin == end;
            inside_stream = true;
            const std::size_t got = inflate_some(out.subspan(done));
            done += got;
            if (file_ended && got == 0) break;
        }
        return done;
    }
};

ByteSource::ByteSource(const std::string& path) : state_(std::make_unique<State>()) {
    State& s = *state_;
    s.path = path;
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        throw DataError(path, ": not a regular file; name the data file itself");
    s.file.reset(std::fopen(path.c_str(), "rb"));
    if (!s.file) throw MissingInputError(path, ": cannot be opened: ", reason(errno), "; check the path");
    s.file_size = std::filesystem::file_size(path, error);
    if (error) throw IoError(path, ": its size cannot be read: ", error.message(), "; check the disk");
    s.refill();
    s.compressed = s.end >= 2 && s.input[0] == 0x1f && s.input[1] == 0x8b;
    if (s.compressed) {
        constexpr int kGzipOnly = 16;
        if (inflateInit2(&s.zlib, kGzipOnly + MAX_WBITS) != Z_OK)
            throw InternalError(path, ": zlib cannot be started; free some memory");
        s.inflating = true;
    }
}

ByteSource::~ByteSource() = default;

std::size_t ByteSource::read(std::span<std::uint8_t> out) {
    return state_->compressed ? state_->read_packed(out) : state_->read_plain(out);
}

std::uint64_t ByteSource::skip(std::uint64_t count) {
    std::array<std::uint8_t, 1 << 14> trash;
    std::uint64_t done = 0;
    while (done < count) {
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(trash.size(), count - done));
        const std::size_t got = read(std::span(trash).first(n));
        done += got;
        if (got < n) break;
    }
    return done;
}

bool ByteSource::cut_off() const {
    return state_->inside_stream;
}

bool ByteSource::compressed() const {
    return state_->compressed;
}

std::uint64_t ByteSource::at_most() const {
    if (!state_->compressed) return state_->file_size;
    constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
    return state_->file_size > kMost / kMaxInflation ? kMost : state_->file_size * kMaxInflation;
}

}  // namespace firecaffe::data_detail
