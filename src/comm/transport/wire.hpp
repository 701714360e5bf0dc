// SPDX-License-Identifier: Apache-2.0
// Writing and reading of small messages: little-endian integers and length-prefixed strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace firecaffe::comm {

template <class Integer>
void store_little_endian(std::byte* to, Integer value) {
    const auto bits = static_cast<std::make_unsigned_t<Integer>>(value);
    for (std::size_t i = 0; i < sizeof(Integer); ++i) to[i] = static_cast<std::byte>((bits >> (8 * i)) & 0xff);
}

template <class Integer>
Integer load_little_endian(const std::byte* from) {
    std::make_unsigned_t<Integer> bits = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i)
        bits = static_cast<std::make_unsigned_t<Integer>>(
            bits | static_cast<std::make_unsigned_t<Integer>>(std::to_integer<std::make_unsigned_t<Integer>>(from[i])
                                                              << (8 * i)));
    return static_cast<Integer>(bits);
}

class WireWriter {
  public:
    template <class Integer>
    WireWriter& put(Integer value) {
        bytes_.resize(bytes_.size() + sizeof(Integer));
        store_little_endian(bytes_.data() + bytes_.size() - sizeof(Integer), value);
        return *this;
    }
    WireWriter& put_text(std::string_view text) {
        put(static_cast<std::uint32_t>(text.size()));
        for (const char c : text) bytes_.push_back(static_cast<std::byte>(c));
        return *this;
    }
    const std::vector<std::byte>& bytes() const { return bytes_; }

  private:
    std::vector<std::byte> bytes_;
};

/// Reading past the end gives zeros and empty strings and makes complete() false; ask it once, at the end.
class WireReader {
  public:
    explicit WireReader(std::span<const std::byte> bytes) : rest_(bytes) {}

    template <class Integer>
    Integer get() {
        if (!take(sizeof(Integer))) return 0;
        return load_little_endian<Integer>(taken_.data());
    }
    std::string get_text() {
        const auto length = get<std::uint32_t>();
        if (!take(length)) return {};
        return {reinterpret_cast<const char*>(taken_.data()), taken_.size()};
    }
    /// True if every read was within the message and nothing is left.
    bool complete() const { return good_ && rest_.empty(); }

  private:
    bool take(std::size_t length) {
        if (!good_ || length > rest_.size()) return good_ = false;
        taken_ = rest_.first(length);
        rest_ = rest_.subspan(length);
        return true;
    }

    std::span<const std::byte> rest_, taken_;
    bool good_ = true;
};

}  // namespace firecaffe::comm
