// SPDX-License-Identifier: Apache-2.0
// Which images there are, what their labels are, and how pixels come out.
#include "firecaffe/data/image_folder.hpp"

#include <thread>

#include "catch.hpp"
#include "data/jpeg_writer.hpp"
#include "data/warp.hpp"
#include "firecaffe/data/factory.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;
using Catch::Matchers::Contains;

namespace {

DatasetOptions folder(const std::string& root) {
    DatasetOptions options;
    options.type = DatasetOptions::Type::image_folder;
    options.root = root;
    return options;
}

/// Writes `bytes` to a file in a folder that is made if need be.
void put(const TempDir& dir, const std::string& name, const Bytes& bytes) {
    std::filesystem::create_directories(std::filesystem::path(dir.path(name)).parent_path());
    dir.write(name, bytes);
}

/// Flat images come out within 2 of what went in: JPEG's colours are rounded.
bool is_near(float value, int wanted) {
    return value > static_cast<float>(wanted) - 2.5f && value < static_cast<float>(wanted) + 2.5f;
}

std::string error_of(const DatasetOptions& options) {
    return message_of<DataError>([&] { ImageFolderDataset set(options); });
}

}  // namespace

TEST_CASE("classes and images come in the order of their names") {
    const TempDir dir;
    put(dir, "b/2.jpg", plain_jpeg(4, 6, 20, 0, 0));
    put(dir, "b/10.JPEG", plain_jpeg(4, 6, 100, 0, 0));
    put(dir, "a/z.jpe", plain_jpeg(4, 6, 200, 0, 0));
    put(dir, "a/.hidden", {1});
    put(dir, "c/x y.jpg", plain_jpeg(4, 6, 240, 0, 0));
    put(dir, ".cache/x.jpg", {1});
    put(dir, "README", {1});
    DatasetOptions options = folder(dir.path(""));
    options.channel_order = DatasetOptions::ChannelOrder::rgb;
    const ImageFolderDataset set(options);
    CHECK(set.size() == 4);
    CHECK(set.classes() == 3);
    CHECK(set.shape() == Shape{3, 4, 6});
    const int reds[] = {200, 100, 20, 240};
    const std::int64_t labels[] = {0, 1, 1, 2};
    for (std::size_t i = 0; i < 4; ++i) {
        const Read sample = read(set, i, 5);
        CHECK(is_near(sample.pixels[0], reds[i]));
        CHECK(sample.label == labels[i]);
        CHECK(sample.id == i);
    }
    CHECK_THAT(set.path(1), Contains("b/10.JPEG"));
    options.limit = 3;
    CHECK(make_dataset(options, 0)->size() == 3);
    CHECK(make_dataset(options, 0)->classes() == 3);
    options.limit = 30;
    CHECK(make_dataset(options, 0)->size() == 4);
}

TEST_CASE("pixels lie where they lay, channels in the order that is asked for") {
    const TempDir dir;
    put(dir, "a/1.jpg", jpeg(8, 16, 3, [](int h, int w, int c) { return 16 * h + 8 * w + (c == 2 ? 15 : 0); }));
    DatasetOptions options = folder(dir.path(""));
    options.channel_order = DatasetOptions::ChannelOrder::rgb;
    const Read rgb = read(ImageFolderDataset(options), 0);
    float worst = 0;
    for (int h = 0; h < 8; ++h)
        for (int w = 0; w < 16; ++w)
            for (int c = 0; c < 3; ++c) {
                const float found = rgb.pixels[static_cast<std::size_t>((c * 8 + h) * 16 + w)];
                worst = std::max(worst, std::abs(found - static_cast<float>(16 * h + 8 * w + (c == 2 ? 15 : 0))));
            }
    CHECK(worst <= 3);
    options.channel_order = DatasetOptions::ChannelOrder::bgr;  // the default
    const Read bgr = read(ImageFolderDataset(options), 0);
    for (std::size_t i = 0; i < 128; ++i) {
        CHECK(bgr.pixels[i] == rgb.pixels[256 + i]);
        CHECK(bgr.pixels[128 + i] == rgb.pixels[128 + i]);
    }
    CHECK(folder("").channel_order == DatasetOptions::ChannelOrder::bgr);
    const ImageFolderDataset stored(options);
    REQUIRE(stored.has_bytes());
    Bytes bytes(384);
    ByteSample sample{.pixels = bytes, .place = {3, 3, true}};
    stored.get_bytes(0, 0, sample);
    CHECK(std::vector<float>(bytes.begin(), bytes.end()) == bgr.pixels);
    CHECK(sample.place == CropPlace{});
    DatasetOptions warped = options;
    warped.warp = 8;
    CHECK_FALSE(ImageFolderDataset(warped).has_bytes());
    CHECK_THROWS_AS(ImageFolderDataset(warped).get_bytes(0, 0, sample), UsageError);
    options.is_color = false;
    const ImageFolderDataset grey(options);
    CHECK(grey.shape() == Shape{1, 8, 16});
    CHECK(is_near(read(grey, 0).pixels[17], 16 + 8 + 2));  // 0.114 * 15 of blue
}

TEST_CASE("grey files have three equal channels, or one") {
    const TempDir dir;
    put(dir, "a/1.jpg", jpeg(8, 8, 1, [](int h, int, int) { return 30 * h; }));
    DatasetOptions options = folder(dir.path(""));
    const Read colour = read(ImageFolderDataset(options), 0);
    options.is_color = false;
    const Read grey = read(ImageFolderDataset(options), 0);
    REQUIRE(grey.pixels.size() == 64);
    CHECK(is_near(grey.pixels[8 * 5], 150));
    for (std::size_t i = 0; i < 192; ++i) CHECK(colour.pixels[i] == grey.pixels[i % 64]);
}

TEST_CASE("progressive files are read as others are") {
    const TempDir dir;
    const auto wave = [](int h, int w, int c) { return (h * 7 + w * 5 + c * 40) % 200; };
    put(dir, "a/1.jpg", jpeg(9, 7, 3, wave));
    put(dir, "a/2.jpg", jpeg(9, 7, 3, wave, Scans::progressive));
    const ImageFolderDataset set(folder(dir.path("")));
    CHECK(read(set, 0).pixels == read(set, 1).pixels);
}

TEST_CASE("images are warped bilinearly, by numbers worked out by hand") {
    const data_detail::ByteImage image{2, 2, 1, {0, 100, 40, 200}};
    std::vector<float> out(16);
    data_detail::write_planes(image, Shape{1, 4, 4}, false, out);
    // Columns lie at -0.25 (held at 0), 0.25, 0.75, 1.25 (held at 1); rows likewise.
    const std::vector<float> wanted{0,  25,     75,      100, 10, 38.75f, 96.25f, 125,  // three quarters of row 0
                                    30, 66.25f, 138.75f, 175, 40, 80,     160,    200};
    CHECK(out == wanted);
    const data_detail::ByteImage wide{1, 4, 3, {0, 1, 2, 10, 11, 12, 20, 21, 22, 40, 41, 42}};
    out.resize(6);
    data_detail::write_planes(wide, Shape{3, 1, 2}, true, out);  // columns 0.5 and 2.5
    CHECK(out == std::vector<float>{7, 32, 6, 31, 5, 30});
}

TEST_CASE("images of several sizes need a warp") {
    const TempDir dir;
    put(dir, "a/1.jpg", plain_jpeg(4, 6, 10, 20, 30));
    put(dir, "a/2.jpg", plain_jpeg(5, 7, 60, 70, 80));
    DatasetOptions options = folder(dir.path(""));
    const ImageFolderDataset unequal(options);
    const std::string message = message_of<DataError>([&] { read(unequal, 1); });
    CHECK_THAT(message, Contains("a/2.jpg: 5x7 pixels, but ") && Contains("a/1.jpg has 4x6") && Contains("'warp'"));
    options.warp = 3;
    const ImageFolderDataset warped(options);
    CHECK(warped.shape() == Shape{3, 3, 3});
    CHECK(is_near(read(warped, 1).pixels[0], 80));
    CHECK(is_near(read(warped, 1).pixels[26], 60));
    options.warp = -1;
    CHECK_THROWS_AS(ImageFolderDataset(options), ConfigError);
    options.warp = std::int64_t{1} << 40;
    CHECK_THROWS_AS(ImageFolderDataset(options), ShapeError);
}

TEST_CASE("a list names images and labels, in its own order") {
    const TempDir dir;
    put(dir, "x/1.jpg", plain_jpeg(4, 4, 0, 0, 10));
    put(dir, "x/2 b.jpg", plain_jpeg(4, 4, 0, 0, 90));
    DatasetOptions options = folder(dir.path(""));
    const auto list = [&](const std::string& lines) {
        options.list = dir.write("list.txt", Bytes(lines.begin(), lines.end()));
        return options;
    };
    const ImageFolderDataset set(list("x/2 b.jpg 7\r\n\nx/1.jpg\t0\nx/2 b.jpg  3"));
    CHECK(set.size() == 3);
    CHECK(set.classes() == 10);
    CHECK(read(set, 0).label == 7);
    CHECK(is_near(read(set, 0).pixels[0], 90));
    CHECK(read(set, 1).label == 0);
    CHECK(is_near(read(set, 1).pixels[0], 10));
    CHECK(read(set, 2).label == 3);
    CHECK_THAT(error_of(list("x/1.jpg 1\nx/1.jpg\n")), Contains("list.txt:2: 'x/1.jpg' has no label"));
    CHECK_THAT(error_of(list(" 1\n")), Contains("list.txt:1:") && Contains("has no label"));
    CHECK_THAT(error_of(list("x/1.jpg cat\n")), Contains("list.txt:1: 'cat' is not a label"));
    CHECK_THAT(error_of(list("x/1.jpg 10\n")), Contains("label 10, not in [0, 10)") && Contains("'classes'"));
    CHECK_THAT(error_of(list("x/1.jpg -1\n")), Contains("label -1"));
    CHECK_THAT(error_of(list("\n")), Contains("names no images"));
    options.classes = 0;
    CHECK_THROWS_AS(ImageFolderDataset(options), ConfigError);
    options.classes = 11;
    CHECK(ImageFolderDataset(list("x/1.jpg 10\n")).classes() == 11);
    options.limit = 1;
    CHECK(ImageFolderDataset(list("x/1.jpg 10\nx/1.jpg nonsense\n")).size() == 1);
    CHECK_THAT(message_of<MissingInputError>([&] { make_dataset(list("x/none.jpg 1"), 0); }),
               Contains("none.jpg: cannot be opened"));
    options.list = dir.path("no list");
    CHECK_THAT(message_of<MissingInputError>([&] { make_dataset(options, 0); }), Contains("no list"));
    options.list = dir.path("x");
    CHECK_THAT(error_of(options), Contains("a folder"));
}

TEST_CASE("folders that hold no classes say so") {
    const TempDir dir;
    CHECK_THROWS_AS(make_dataset(folder(""), 0), ConfigError);
    CHECK_THAT(message_of<MissingInputError>([&] { make_dataset(folder(dir.path("nothing")), 0); }),
               Contains("nothing: cannot be opened"));
    CHECK_THAT(error_of(folder(dir.path(""))), Contains("no class folders"));
    CHECK_THAT(error_of(folder(dir.write("file", {1}))), Contains("not a folder"));
    put(dir, "a/1.jpg", plain_jpeg(4, 4, 0, 0, 10));
    std::filesystem::create_directory(dir.path("b"));
    CHECK_THAT(error_of(folder(dir.path(""))), Contains("/b: a class folder without images"));
    put(dir, "b/1.png", {1});
    CHECK_THAT(error_of(folder(dir.path(""))), Contains("b/1.png: not named .jpg"));
}

TEST_CASE("several threads read the same bytes") {
    const TempDir dir;
    for (int i = 0; i < 8; ++i)
        put(dir, "a/" + std::to_string(i) + ".jpg",
            jpeg(16, 16, 3, [i](int h, int w, int c) { return (h * i + w * 3 + c * 50) % 256; }));
    const ImageFolderDataset set(folder(dir.path("")));
    std::vector<Read> alone;
    for (std::size_t i = 0; i < 8; ++i) alone.push_back(read(set, i));
    std::vector<int> equal(4, 0);
    std::vector<std::thread> team;
    for (std::size_t t = 0; t < equal.size(); ++t)
        team.emplace_back([&, t] {
            for (std::size_t n = 0; n < 80; ++n) equal[t] += read(set, (n + t) % 8) == alone[(n + t) % 8] ? 1 : 0;
        });
    for (std::thread& thread : team) thread.join();
    CHECK(equal == std::vector<int>(4, 80));
}
