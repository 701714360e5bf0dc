// SPDX-License-Identifier: Apache-2.0
// JPEG files made by the tests themselves.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include <jpeglib.h>

#include "data/support.hpp"

namespace firecaffe::testing {

enum class Scans { one, progressive, one_per_coefficient };

/// An image whose channel c at (row, column) is value(row, column, c); 1, 3 or 4 channels, best quality, no
/// subsampling.
inline Bytes jpeg(int height, int width, int channels, const std::function<int(int, int, int)>& value,
                  Scans scans = Scans::one) {
    jpeg_compress_struct info{};
    jpeg_error_mgr errors{};
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    unsigned char* memory = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&info, &memory, &size);
    info.image_height = static_cast<JDIMENSION>(height);
    info.image_width = static_cast<JDIMENSION>(width);
    info.input_components = channels;
    info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 100, TRUE);
    for (int c = 0; c < info.num_components; ++c) info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = 1;
    std::vector<jpeg_scan_info> script;
    if (scans == Scans::progressive) jpeg_simple_progression(&info);
    if (scans == Scans::one_per_coefficient) {
        for (int k = 0; k < 64; ++k) script.push_back({1, {0}, k, k, 0, 0});
        info.scan_info = script.data();
        info.num_scans = static_cast<int>(script.size());
    }
    jpeg_start_compress(&info, TRUE);
    std::vector<JSAMPLE> row(static_cast<std::size_t>(width * channels));
    for (int h = 0; h < height; ++h) {
        for (int w = 0; w < width; ++w)
            for (int c = 0; c < channels; ++c)
                row[static_cast<std::size_t>(w * channels + c)] = static_cast<JSAMPLE>(value(h, w, c));
        JSAMPROW pointer = row.data();
        jpeg_write_scanlines(&info, &pointer, 1);
    }
    jpeg_finish_compress(&info);
    Bytes bytes(memory, memory + size);
    jpeg_destroy_compress(&info);
    std::free(memory);  // NOLINT: libjpeg took it from malloc
    return bytes;
}

/// One colour all over.
inline Bytes plain_jpeg(int height, int width, int red, int green, int blue) {
    return jpeg(height, width, 3, [=](int, int, int c) { return c == 0 ? red : c == 1 ? green : blue; });
}

}  // namespace firecaffe::testing
