// SPDX-License-Identifier: Apache-2.0
// Files that are no JPEG, or a damaged or hostile one: an error with the file's name, and never a crash.
#include "data/jpeg.hpp"

#include "catch.hpp"
#include "data/jpeg_writer.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;
using data_detail::read_jpeg;

namespace {

Bytes sample(Scans scans = Scans::one) {
    return jpeg(
        11, 13, 3, [](int h, int w, int c) { return (h * 17 + w * 29 + c * 60) % 256; }, scans);
}

std::string error_of(const TempDir& dir, const Bytes& bytes) {
    const std::string path = dir.write("damaged.jpg", bytes);
    const std::string message = message_of<DataError>([&] { read_jpeg(path, 3); });
    CHECK_THAT(message, Contains(path));
    return message;
}

/// Where the marker ff `code` starts.
std::size_t find_marker(const Bytes& bytes, std::uint8_t code) {
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i)
        if (bytes[i] == 0xff && bytes[i + 1] == code) return i;
    throw std::logic_error("no such marker");
}

}  // namespace

TEST_CASE("a JPEG that is cut off at any byte is refused") {
    const TempDir dir;
    for (const Scans scans : {Scans::one, Scans::progressive}) {
        const Bytes whole = sample(scans);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            INFO(size << " of " << whole.size() << " bytes");
            error_of(dir, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
        }
        CHECK(read_jpeg(dir.write("whole.jpg", whole), 3).height == 11);
    }
}

TEST_CASE("a byte that is changed makes another image or an error") {
    const TempDir dir;
    int refused = 0;
    for (const Scans scans : {Scans::one, Scans::progressive}) {
        const Bytes whole = sample(scans);
        for (std::size_t i = 0; i < whole.size(); ++i)
            for (const int change : {0x01, 0x80, 0xff}) {
                Bytes bytes = whole;
                bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ change);
                try {
                    const auto image = read_jpeg(dir.write("changed.jpg", bytes), 3);
                    CHECK(static_cast<std::int64_t>(image.pixels.size()) == image.height * image.width * 3);
                } catch (const DataError&) {
                    ++refused;
                }
            }
    }
    CHECK(refused > 100);
}

TEST_CASE("what is no JPEG says so") {
    const TempDir dir;
    CHECK_THAT(error_of(dir, {}), Contains("JPEG") && Contains("leave it out"));
    CHECK_THAT(error_of(dir, {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}), Contains("0x89"));
    CHECK_THAT(error_of(dir, {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0}), Contains("gzip"));
    CHECK_THROWS_AS(read_jpeg(dir.path("none.jpg"), 3), MissingInputError);
    std::filesystem::create_directory(dir.path("folder.jpg"));
    CHECK_THROWS_AS(read_jpeg(dir.path("folder.jpg"), 3), DataError);
}

TEST_CASE("four channels, too many pixels and too many scans are refused") {
    const TempDir dir;
    CHECK_THAT(error_of(dir, jpeg(8, 8, 4, [](int, int, int) { return 9; })), Contains("CMYK"));
    const auto grey = [](int h, int w, int) { return h * w; };
    CHECK_THAT(error_of(dir, jpeg(8, 8, 1, grey, Scans::one_per_coefficient)), Contains("more than 50 scans"));
    Bytes huge = sample();
    const std::size_t frame = find_marker(huge, 0xc0);  // marker, length, precision, height, width
    for (const std::size_t i : {5u, 6u, 7u, 8u}) huge[frame + i] = 0xf0;
    CHECK_THAT(error_of(dir, huge), Contains("61680x61680 pixels"));
}

TEST_CASE("stray bytes between segments harm nothing") {
    const TempDir dir;
    const Bytes whole = sample();
    Bytes stray = whole;
    stray.insert(stray.begin() + static_cast<std::ptrdiff_t>(find_marker(whole, 0xc0)), {0, 0, 0});
    CHECK(read_jpeg(dir.write("a.jpg", stray), 3).pixels == read_jpeg(dir.write("b.jpg", whole), 3).pixels);
}
