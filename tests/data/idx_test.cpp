// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/idx.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "catch.hpp"
#include "data/support.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

Bytes idx(const std::vector<std::uint32_t>& extents, const Bytes& data, std::uint8_t type = 8) {
    Bytes out{0, 0, type, static_cast<std::uint8_t>(extents.size())};
    for (const std::uint32_t extent : extents)
        for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(extent >> shift));
    out.insert(out.end(), data.begin(), data.end());
    return out;
}

Bytes numbers(std::size_t count) {
    Bytes out(count);
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
    return out;
}

Bytes gzip(const Bytes& in) {
    z_stream z{};
    REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    Bytes out(deflateBound(&z, static_cast<uLong>(in.size())) + 64);
    Bytes copy = in;
    z.next_in = copy.data();
    z.avail_in = static_cast<uInt>(copy.size());
    z.next_out = out.data();
    z.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
}

Bytes operator+(Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Bytes first(const Bytes& bytes, std::size_t n) {
    return Bytes(bytes.begin(), bytes.begin() + static_cast<long>(n));
}

}  // namespace

TEST_CASE("IDX files are read, plain and gzip, with and without a limit") {
    const TempDir dir;
    const Bytes data = numbers(5 * 3 * 4), file = idx({5, 3, 4}, data);
    for (const Bytes& stored : {file, gzip(file), gzip(first(file, 21)) + gzip(Bytes(file.begin() + 21, file.end()))}) {
        const std::string path = dir.write("images", stored);
        const IdxArray all = read_idx(path);
        CHECK(all.shape == Shape{5, 3, 4});
        CHECK(all.records_in_file == 5);
        CHECK(all.bytes == data);
        const IdxArray two = read_idx(path, 2);
        CHECK(two.shape == Shape{2, 3, 4});
        CHECK(two.records_in_file == 5);
        CHECK(two.bytes == first(data, 24));
        CHECK(read_idx(path, 99).bytes == data);
        CHECK_THROWS_AS(read_idx(path, -1), ConfigError);
    }
}

TEST_CASE("an IDX file larger than all buffers is read") {
    const TempDir dir;
    const Bytes data = numbers(3'000'001), file = idx({3'000'001}, data);
    CHECK(read_idx(dir.write("a", file)).bytes == data);
    CHECK(read_idx(dir.write("b", gzip(file))).bytes == data);
}

TEST_CASE("an empty IDX set is an ordinary set") {
    const TempDir dir;
    const IdxDataset set(dir.write("i", idx({0, 28, 28}, {})), dir.write("l", gzip(idx({0}, {}))));
    CHECK(set.size() == 0);
    CHECK(set.shape() == Shape{1, 28, 28});
}

TEST_CASE("IdxDataset gives bytes as floats, with label and id") {
    const TempDir dir;
    const Bytes data = numbers(4 * 2 * 3);
    const std::string images = dir.write("i", idx({4, 2, 3}, data)), labels = dir.write("l", idx({4}, {0, 2, 1, 2}));
    const IdxDataset set(images, labels, 3);
    CHECK(set.size() == 4);
    CHECK(set.classes() == 3);
    CHECK(set.shape() == Shape{1, 2, 3});
    CHECK(read(set, 3) == Read{{data.begin() + 18, data.end()}, 2, 3});
    CHECK(read(set, 3, 9) == read(set, 3));

    const IdxDataset channels(dir.write("c", idx({4, 3, 2, 1}, data)), labels, 3, 2);
    CHECK(channels.shape() == Shape{3, 2, 1});
    CHECK(channels.size() == 2);
    CHECK(read(channels, 1).pixels == std::vector<float>(data.begin() + 6, data.begin() + 12));
    CHECK_THROWS_AS(read(channels, 2), UsageError);
    std::vector<float> small(5);
    Sample sample{small, 0, 0};
    CHECK_THROWS_AS(channels.get(0, 0, sample), UsageError);

    REQUIRE(channels.has_bytes());
    CHECK(channels.pixel_transform().as_stored);
    Bytes bytes(6);
    ByteSample stored{.pixels = bytes, .place = {3, 3, true}};
    channels.get_bytes(7, 1, stored);
    CHECK(bytes == Bytes(data.begin() + 6, data.begin() + 12));
    CHECK(stored.label == read(channels, 1).label);
    CHECK(stored.id == 1);
    CHECK(stored.place == CropPlace{});
    CHECK_THROWS_AS(channels.get_bytes(0, 2, stored), UsageError);
}

TEST_CASE("a short or long plain file is refused with file, expected and found bytes") {
    const TempDir dir;
    const Bytes file = idx({5, 3, 4}, numbers(60));
    for (std::size_t length = 0; length < file.size(); ++length) {
        const std::string path = dir.write("short", first(file, length));
        const std::string message = message_of<DataError>([&] { read_idx(path, length % 3); });
        CHECK_THAT(message, Contains(path) && Contains("found " + std::to_string(length)));
        if (length >= 16) CHECK_THAT(message, Contains("expected 76 bytes"));
    }
    for (const std::size_t extra : {1u, 2u, 1000u, 100000u}) {
        const std::string path = dir.write("long", file + Bytes(extra, 0));
        CHECK_THAT(message_of<DataError>([&] { read_idx(path, 1); }),
                   Contains("expected 76 bytes, found " + std::to_string(76 + extra)));
    }
}

TEST_CASE("a short or long gzip file is refused") {
    const TempDir dir;
    const Bytes file = idx({5, 3, 4}, numbers(60)), packed = gzip(file);
    for (std::size_t length = 0; length < packed.size(); ++length) {
        const std::string path = dir.write("short", first(packed, length));
        INFO(length << " of " << packed.size());
        CHECK_THAT(message_of<DataError>([&] { read_idx(path, length % 3); }), Contains(path));
    }
    // The checksum alone is missing.
    CHECK_THAT(message_of<DataError>([&] { read_idx(dir.write("x", first(packed, packed.size() - 1))); }),
               Contains("expected 76 bytes, found 76") && Contains("cut off"));
    CHECK_THAT(message_of<DataError>([&] { read_idx(dir.write("x", gzip(file + Bytes(9, 1)))); }),
               Contains("expected 76 bytes, found 85 (unpacked)"));
    CHECK_THAT(message_of<DataError>([&] { read_idx(dir.write("x", gzip(first(file, 50)))); }),
               Contains("expected 76 bytes, found 50 (unpacked)"));
    CHECK_THROWS_AS(read_idx(dir.write("x", packed + packed)), DataError);
    CHECK_THROWS_AS(read_idx(dir.write("x", packed + Bytes{0})), DataError);
    CHECK_THROWS_AS(read_idx(dir.write("x", packed + Bytes(5000, 'g'))), DataError);
}

TEST_CASE("a garbled gzip file never gives other bytes") {
    const TempDir dir;
    const Bytes data = numbers(60), packed = gzip(idx({5, 3, 4}, data));
    int refused = 0;
    for (std::size_t at = 0; at < packed.size(); ++at) {
        for (const int bit : {0, 3, 7}) {
            Bytes garbled = packed;
            garbled[at] = static_cast<std::uint8_t>(garbled[at] ^ (1 << bit));
            const std::string path = dir.write("garbled", garbled);
            Bytes got;
            try {
                got = read_idx(path).bytes;
            } catch (const DataError&) {
                ++refused;
                continue;
            }
            CHECK(got == data);  // some header fields, the date for one, do not matter
        }
    }
    CHECK(refused > static_cast<int>(packed.size()) * 2);
}

TEST_CASE("garbled IDX headers are refused") {
    const TempDir dir;
    const auto refuses = [&](const Bytes& file, const std::string& why) {
        CHECK_THAT(message_of<DataError>([&] { read_idx(dir.write("x", file)); }), Contains(why));
    };
    const Bytes good = idx({2, 2}, numbers(4));
    for (std::size_t at = 0; at < 12; ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            Bytes bad = good;
            bad[at] = static_cast<std::uint8_t>(bad[at] ^ (1 << bit));
            CHECK_THROWS_AS(read_idx(dir.write("x", bad)), DataError);
        }
    }
    refuses(idx({4}, numbers(4), 9), "type 9");
    refuses(Bytes{0, 0, 8, 0, 1}, "0 axes");
    refuses(idx({1, 1, 1, 1, 1, 1, 1}, {0}), "7 axes");
    refuses(Bytes{'P', 'K', 3, 4}, "not an IDX file");
    const std::uint32_t most = 0xffffffff;
    refuses(idx({most, most, most}, numbers(4)), "63 bits");
    refuses(idx({0, most, most, most}, {}), "63 bits");
    // 4 GiB are promised, in a product that 32-bit arithmetic would call 0.
    refuses(idx({65536, 65536}, {}), "expected 4294967308 bytes, found 12");
    refuses(gzip(idx({65536, 65536, 65536}, numbers(9))), "expected 281474976710672 bytes, found 25 (unpacked)");
}

TEST_CASE("IDX files of floats are what idx_header and idx_floats write") {
    const Bytes header = idx_header(IdxType::float32, {2, 1, 1, 3});
    CHECK(header == Bytes{0, 0, 13, 4, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3});
    CHECK(idx_header(IdxType::unsigned_byte, {66000}) == Bytes{0, 0, 8, 1, 0, 1, 1, 208});
    CHECK_THROWS_AS(idx_header(IdxType::float32, Shape{}), UsageError);
    CHECK_THROWS_AS(idx_header(IdxType::float32, {std::int64_t{1} << 32}), UsageError);
    // 1 is 3f800000, -2.5 is c0200000.
    const std::vector<float> pixels{1.0f, -2.5f, 0.1f, -0.0f, 1e-42f, 3e38f};
    const Bytes data = idx_floats(pixels);
    CHECK(first(data, 8) == Bytes{0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0});

    const TempDir dir;
    const std::string labels = dir.write("l", idx({2}, {4, 1}));
    for (const Bytes& file : {header + data, gzip(header + data)}) {
        const std::string path = dir.write("i", file);
        const IdxArray array = read_idx(path);
        CHECK(array.type == IdxType::float32);
        CHECK(array.shape == Shape{2, 1, 1, 3});
        CHECK(array.bytes == data);
        const IdxDataset set(path, labels);
        CHECK(set.shape() == Shape{1, 1, 3});
        CHECK(read(set, 0) == Read{{1.0f, -2.5f, 0.1f}, 4, 0});
        CHECK(read(set, 1) == Read{{-0.0f, 1e-42f, 3e38f}, 1, 1});
        CHECK_FALSE(set.has_bytes());
        ByteSample sample;
        CHECK_THROWS_AS(set.get_bytes(0, 0, sample), UsageError);
        CHECK(IdxDataset(path, labels, 10, 1).size() == 1);
    }
}

TEST_CASE("IDX files of floats that are cut off, too long or not finite are refused, and labels that are floats") {
    const TempDir dir;
    const Bytes file = idx_header(IdxType::float32, {2, 1, 2}) + idx_floats(std::vector<float>{1, 2, 3, 4});
    const std::string labels = dir.write("l", idx({2}, {4, 1}));
    for (const std::size_t length : {16u, 17u, 31u})
        CHECK_THAT(message_of<DataError>([&] { IdxDataset(dir.write("i", first(file, length)), labels); }),
                   Contains(dir.path("i")) && Contains("expected 32 bytes, found " + std::to_string(length)));
    CHECK_THAT(message_of<DataError>([&] { read_idx(dir.write("i", file + Bytes{0}), 1); }),
               Contains("expected 32 bytes, found 33"));
    const std::string odd =
        dir.write("i", first(file, 24) + idx_floats(std::vector<float>{3, std::numeric_limits<float>::quiet_NaN()}));
    CHECK_THAT(message_of<DataError>([&] { IdxDataset(odd, labels); }), Contains(odd) && Contains("record 1 "));
    CHECK(IdxDataset(odd, labels, 10, 1).size() == 1);  // the bad record is not used
    const std::string floats = dir.write("f", idx_header(IdxType::float32, {2}) + idx_floats(std::vector<float>{4, 1}));
    CHECK_THAT(message_of<DataError>([&] { IdxDataset(dir.write("i", file), floats); }),
               Contains(floats) && Contains("type 13"));
    const std::uint32_t many = 1u << 31;
    CHECK_THAT(message_of<DataError>([&] {
                   read_idx(dir.write("i", idx({many, 1u << 30}, {}, 13)));
               }),
               Contains("63 bits"));
}

TEST_CASE("files that are not there, folders and files that do not fit are refused") {
    const TempDir dir;
    const std::string images = dir.write("i", idx({4, 2, 3}, numbers(24)));
    const std::string labels = dir.write("l", idx({4}, {0, 2, 1, 9}));
    CHECK_THAT(message_of<MissingInputError>([&] { read_idx(dir.path("none")); }), Contains(dir.path("none")));
    CHECK_THROWS_AS(read_idx(dir.path("")), DataError);
    CHECK_THAT(message_of<DataError>([&] { IdxDataset(images, labels, 9); }),
               Contains(labels) && Contains("record 3") && Contains("label 9") && Contains("[0, 9)"));
    CHECK(IdxDataset(images, labels, 3, 3).size() == 3);  // the bad record is not used
    CHECK_THAT(message_of<DataError>([&] {
                   IdxDataset(images, dir.write("3", idx({3}, {0, 0, 0})));
               }),
               Contains("4 images") && Contains("3 labels"));
    CHECK_THROWS_AS(IdxDataset(images, dir.write("3", idx({3}, {0, 0, 0})), 10, 2), DataError);
    CHECK_THROWS_AS(IdxDataset(labels, labels), DataError);
    CHECK_THROWS_AS(IdxDataset(images, images), DataError);
    CHECK_THROWS_AS(IdxDataset(dir.write("z", idx({4, 0, 3}, {})), labels), DataError);
    CHECK_THROWS_AS(IdxDataset(images, labels, 0), ConfigError);
    CHECK_THROWS_AS(IdxDataset(images, labels, 257), ConfigError);
}

TEST_CASE("Fashion-MNIST has its well-known sizes and labels") {
    const std::string folder = "/usr/share/datasets/fashion-mnist/";
    if (!std::filesystem::exists(folder)) {
        WARN("SKIP: " << folder << " is not there (Debian package dataset-fashion-mnist)");
        return;
    }
    for (const auto& [name, count] : {std::pair("train", 60000), std::pair("t10k", 10000)}) {
        const IdxDataset set(folder + name + "-images-idx3-ubyte.gz", folder + name + "-labels-idx1-ubyte.gz");
        CHECK(set.size() == static_cast<std::size_t>(count));
        CHECK(set.shape() == Shape{1, 28, 28});
        std::vector<int> histogram(10);
        double sum = 0;
        for (std::size_t i = 0; i < set.size(); ++i) {
            const Read sample = read(set, i);
            ++histogram[static_cast<std::size_t>(sample.label)];
            for (const float pixel : sample.pixels) sum += static_cast<double>(pixel);
        }
        CHECK(histogram == std::vector<int>(10, count / 10));
        CHECK(sum / (count * 784.0) == Approx(0.286 * 255).epsilon(0.005));  // the set's published mean
    }
}
