// SPDX-License-Identifier: Apache-2.0
// Layout: how the elements of a logical N, C, H, W tensor lie in memory.
//
// The logical order is N, C, H, W everywhere. A backend may negotiate another physical order once, when a net is
// built; outside of `ops` and the backends nobody looks at it. A TensorSpec is a shape together with its layout.
#pragma once

#include <cstdint>
#include <string>

#include "firecaffe/core/shape.hpp"

namespace firecaffe {

/// Channels are split into blocks; `channel_block` channels lie next to each other.
///  * plain:    channel_block == 1, n c h w
///  * blocked:  channel_block == 8 or 16, n (c / block) h w (c % block); the last block is padded with zeros
///  * channels last: n h w c
struct Layout {
    enum class Kind : std::uint8_t { plain, blocked, channels_last };

    Kind kind = Kind::plain;
    std::uint8_t channel_block = 1;

    static constexpr Layout plain() { return {}; }
    static constexpr Layout blocked(std::uint8_t block) { return {Kind::blocked, block}; }
    static constexpr Layout channels_last() { return {Kind::channels_last, 1}; }

    bool is_plain() const { return kind == Kind::plain; }
    friend bool operator==(const Layout&, const Layout&) = default;
};

/// A tensor without its data: logical shape and physical layout.
struct TensorSpec {
    Shape shape;
    Layout layout;

    /// Elements in memory, padding of the last channel block included.
    std::int64_t storage() const {
        if (layout.kind != Layout::Kind::blocked) return shape.count();
        const std::int64_t block = layout.channel_block;
        return shape[0] * ((shape[1] + block - 1) / block * block) * shape.count_from(2);
    }

    friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

inline std::string to_string(const Layout& layout) {
    switch (layout.kind) {
        case Layout::Kind::plain: return "nchw";
        case Layout::Kind::blocked: return "nChw" + std::to_string(layout.channel_block) + "c";
        case Layout::Kind::channels_last: return "nhwc";
    }
    return "unknown";
}

inline std::string to_string(const TensorSpec& spec) { return to_string(spec.shape) + ' ' + to_string(spec.layout); }

}  // namespace firecaffe
