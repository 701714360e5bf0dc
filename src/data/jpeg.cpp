// SPDX-License-Identifier: Apache-2.0
#include "data/jpeg.hpp"

#include <csetjmp>
#include <cstddef>
#include <cstdio>  // jpeglib.h needs FILE

#include <jerror.h>
#include <jpeglib.h>

#include <array>
#include <span>
#include <type_traits>

#include "data/byte_source.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::data_detail {

namespace {

/// libjpeg's error handler, with a way back and what it said.
struct Errors {
    jpeg_error_mgr manager;  // first, so that a pointer to it is one to all
    std::jmp_buf back;
    std::array<char, JMSG_LENGTH_MAX> message;
};

[[noreturn]] void jump_back(j_common_ptr info) {
    auto* errors = reinterpret_cast<Errors*>(info->err);
    errors->manager.format_message(info, errors->message.data());
    std::longjmp(errors->back, 1);  // NOLINT(cert-err52-cpp): libjpeg is C, and its handler must not return
}

/// libjpeg warns where it makes up pixels for what it cannot read, but also of oddities that harm nothing.
void judge_warning(j_common_ptr info, int level) {
    constexpr int kWarning = -1;
    if (level != kWarning) return;
    switch (info->err->msg_code) {
        case JWRN_ADOBE_XFORM:
        case JWRN_EXTRANEOUS_DATA:
        case JWRN_JFIF_MAJOR:
        case JWRN_TOO_MUCH_DATA:
            return;
        default:
            jump_back(info);
    }
}

void count_scans(j_common_ptr info) {
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxJpegScans) return;
    auto* errors = reinterpret_cast<Errors*>(info->err);
    std::snprintf(errors->message.data(), errors->message.size(), "more than %d scans", kMaxJpegScans);
    std::longjmp(errors->back, 1);  // NOLINT(cert-err52-cpp)
}

/// A decompressor of libjpeg and its memory.
class Decoder {
  public:
    Decoder(const std::string& path, std::span<const std::uint8_t> bytes) : path_(path) {
        info_.err = jpeg_std_error(&errors_.manager);
        errors_.manager.error_exit = jump_back;
        errors_.manager.emit_message = judge_warning;
        guarded([this, bytes] {
            jpeg_create_decompress(&info_);
            info_.progress = &progress_;
            progress_.progress_monitor = count_scans;
            jpeg_mem_src(&info_, bytes.data(), static_cast<unsigned long>(bytes.size()));
            jpeg_read_header(&info_, TRUE);
        });
    }
    ~Decoder() { jpeg_destroy_decompress(&info_); }
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;

    ByteImage decode(int channels) {
        if (info_.num_components == 4)
            throw DataError(path_, ": a JPEG of four channels (CMYK); only grey and colour can be read. Convert it");
        ByteImage image{info_.image_height, info_.image_width, channels, {}};
        if (image.height * image.width > kMaxJpegPixels)
            throw DataError(path_, ": ", image.height, 'x', image.width, " pixels; at most ", kMaxJpegPixels,
                            " are read. Shrink the image");
        const auto row_bytes = static_cast<std::size_t>(image.width * channels);
        image.pixels.resize(static_cast<std::size_t>(image.height) * row_bytes);
        info_.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
        guarded([this, pixels = image.pixels.data(), row_bytes] {
            jpeg_start_decompress(&info_);
            while (info_.output_scanline < info_.output_height) {
                JSAMPROW row = pixels + info_.output_scanline * row_bytes;
                jpeg_read_scanlines(&info_, &row, 1);
            }
            jpeg_finish_decompress(&info_);
        });
        return image;
    }

  private:
    /// Runs calls of libjpeg. An error jumps out of them to here, so they must own nothing that has a destructor.
    template <class Calls>
    void guarded(const Calls& calls) {
        static_assert(std::is_trivially_destructible_v<Calls>);
        if (setjmp(errors_.back) == 0) {  // NOLINT(cert-err52-cpp)
            calls();
            return;
        }
        jpeg_destroy_decompress(&info_);  // a constructor that throws has no destructor
        throw DataError(path_, ": cannot be read as JPEG (", errors_.message.data(),
                        "); fetch the file again, convert it to JPEG, or leave it out");
    }

    const std::string& path_;
    Errors errors_{};
    jpeg_progress_mgr progress_{};
    jpeg_decompress_struct info_{};
};

std::vector<std::uint8_t> read_file(const std::string& path) {
    ByteSource source(path);
    if (source.compressed()) throw DataError(path, ": a gzip file where a JPEG must be; unpack it");
    if (source.at_most() > kMaxJpegBytes)
        throw DataError(path, ": ", source.at_most(), " bytes; a JPEG of at most ", kMaxJpegBytes,
                        " bytes is read. Shrink the image");
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(source.at_most()));
    bytes.resize(source.read(bytes));
    return bytes;
}

}  // namespace

ByteImage read_jpeg(const std::string& path, int channels) {
    const std::vector<std::uint8_t> bytes = read_file(path);
    return Decoder(path, bytes).decode(channels);
}

}  // namespace firecaffe::data_detail
