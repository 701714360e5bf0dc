// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/model_io/safetensors.hpp"

#include <sys/stat.h>

#include <cstring>

#include "catch.hpp"
#include "firecaffe/core/random.hpp"
#include "scratch.hpp"

using namespace firecaffe;
using namespace firecaffe::testing;

namespace {

std::vector<std::byte> bytes_of(const std::string& s) {
    const auto view = std::as_bytes(std::span(s.data(), s.size()));
    return {view.begin(), view.end()};
}

/// A file of any header, however wrong, and of `data` bytes after it.
std::string file_of(const std::string& json, std::size_t data) {
    const std::uint64_t length = json.size();
    return std::string(reinterpret_cast<const char*>(&length), 8) + json + std::string(data, 'x');
}

/// The error's text, or an empty string if the file was accepted.
std::string refusal(const std::string& file) {
    try {
        const SafetensorsFile parsed("f.safetensors", bytes_of(file));
        return "";
    } catch (const DataError& error) {
        return error.what();
    }
}

const std::vector<float> kFloats{1.5f, -2.0f, 3.0f, 0.0f, 7.25f, 1e-30f};
const std::vector<std::uint8_t> kBytes{1, 2, 3, 4, 5};
const std::vector<std::int64_t> kLongs{-1, 1LL << 60};

std::vector<NamedArray> some_arrays() {
    return {array_of("bytes", {5}, kBytes),
            array_of("conv1.weight", {2, 3}, kFloats),
            array_of("longs", {2, 1}, kLongs),
            {"nothing", DType::int32, Shape{0, 4}, {}}};
}

}  // namespace

TEST_CASE("a safetensors file comes back as it was saved") {
    const Scratch scratch;
    save_safetensors(scratch / "a.safetensors", some_arrays(), {{"format", "x"}, {"näme", "line\nbreak"}});
    const SafetensorsFile file = SafetensorsFile::load(scratch / "a.safetensors");
    REQUIRE(file.arrays().size() == 4);
    CHECK(file.metadata() == SafetensorsMetadata{{"format", "x"}, {"näme", "line\nbreak"}});
    for (const NamedArray& saved : some_arrays()) {
        const NamedArray* loaded = file.find(saved.name);
        REQUIRE(loaded != nullptr);
        CHECK(loaded->dtype == saved.dtype);
        CHECK(loaded->shape == saved.shape);
        CHECK(std::equal(loaded->data.begin(), loaded->data.end(), saved.data.begin(), saved.data.end()));
        CHECK(reinterpret_cast<std::uintptr_t>(loaded->data.data()) % size_of(saved.dtype) == 0);
    }
    CHECK(file.find("conv2.weight") == nullptr);
    CHECK(names_in(scratch.path()) == std::vector<std::string>{"a.safetensors"});

    std::vector<float> floats(6);
    file.copy_to("conv1.weight", DType::float32, {2, 3}, std::as_writable_bytes(std::span(floats)));
    CHECK(floats == kFloats);
    CHECK_THROWS_AS(file.copy_to("conv1.weight", DType::float32, {3, 2}, std::as_writable_bytes(std::span(floats))),
                    DataError);
    CHECK_THROWS_AS(file.copy_to("conv1.weight", DType::int32, {2, 3}, std::as_writable_bytes(std::span(floats))),
                    DataError);
    CHECK_THROWS_WITH(file.copy_to("fc", DType::int32, {2, 3}, {}),
                      Catch::Contains("'fc'") && Catch::Contains("a.safetensors"));
}

TEST_CASE("the views of a safetensors file survive a move of the file") {
    const Scratch scratch;
    save_safetensors(scratch / "a", some_arrays());
    SafetensorsFile first = SafetensorsFile::load(scratch / "a");
    const SafetensorsFile second = std::move(first);
    CHECK(std::memcmp(second.find("conv1.weight")->data.data(), kFloats.data(), 24) == 0);
}

TEST_CASE("the layout is that of the format: aligned header, then data without a gap") {
    const std::vector<NamedArray> arrays = some_arrays();
    const SafetensorsPlan plan = plan_safetensors(arrays);
    CHECK(plan.head.size() % 8 == 0);
    CHECK(plan.head.substr(8, 1) == "{");
    CHECK(plan.head.find(R"("conv1.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[16,40]})") !=
          std::string::npos);
    CHECK(plan.head.find(R"("bytes":{"dtype":"U8","shape":[5],"data_offsets":[40,45]})") != std::string::npos);
    // No arrays at all is an ordinary file.
    CHECK(plan_safetensors({}).head == std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
    CHECK(SafetensorsFile("empty", bytes_of(plan_safetensors({}).head)).arrays().empty());
}

TEST_CASE("arrays that cannot be saved are refused") {
    const NamedArray good = array_of("a", {6}, kFloats);
    const std::vector<NamedArray> twice{good, good};
    CHECK_THROWS_AS(plan_safetensors(twice), UsageError);
    const std::vector<NamedArray> reserved{array_of("__metadata__", {6}, kFloats)};
    CHECK_THROWS_AS(plan_safetensors(reserved), UsageError);
    const std::vector<NamedArray> short_data{array_of("a", {7}, kFloats)};
    CHECK_THROWS_WITH(plan_safetensors(short_data), Catch::Contains("24 bytes") && Catch::Contains("'a'"));
    const std::vector<NamedArray> huge{array_of("a", {1LL << 62, 1LL << 62}, kFloats)};
    CHECK_THROWS_AS(plan_safetensors(huge), UsageError);
    const std::vector<NamedArray> latin1{array_of("n\xe4me", {6}, kFloats)};
    CHECK_THROWS_AS(plan_safetensors(latin1), UsageError);

    const Scratch scratch;
    spill(scratch / "old", "old content");
    CHECK_THROWS_AS(save_safetensors(scratch / "old", short_data), UsageError);
    CHECK(slurp(scratch / "old") == "old content");
    CHECK_THROWS_WITH(save_safetensors(scratch / "no/such/folder", std::vector{good}), Catch::Contains("No such file"));
    CHECK_THROWS_AS(SafetensorsFile::load(scratch / "absent"), MissingInputError);
    CHECK_THROWS_AS(SafetensorsFile::load(scratch.path()), DataError);
    REQUIRE(::mkfifo((scratch / "fifo").c_str(), 0600) == 0);
    CHECK_THROWS_AS(SafetensorsFile::load(scratch / "fifo"), DataError);  // and does not wait for a writer
}

TEST_CASE("a malformed safetensors file is refused with array and offset") {
    const auto contains = [](const std::string& file, const std::string& part) {
        const std::string message = refusal(file);
        INFO(message);
        return message.find(part) != std::string::npos && message.find("f.safetensors") != std::string::npos &&
               message.find('\n') == std::string::npos;
    };
    REQUIRE(refusal(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8)).empty());
    REQUIRE(refusal(file_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}   ", 1)).empty());
    // Lengths.
    CHECK(contains("1234567", "7 bytes"));
    CHECK(contains(std::string("\x01\xe1\xf5\x05\0\0\0\0", 8), "100000001"));
    CHECK(contains(std::string(8, '\xff'), "18446744073709551615"));
    CHECK(contains(std::string("\x09\0\0\0\0\0\0\0{}", 10), "header of 9 bytes"));
    // JSON.
    CHECK(contains(file_of("", 0), "'{'"));
    CHECK(contains(file_of("[]", 0), "'{'"));
    CHECK(contains(file_of("\xef\xbb\xbf{}", 0), "'{'"));
    CHECK(contains(file_of("{} {}", 0), "not JSON at offset"));
    CHECK(contains(file_of("{\"a", 0), "not JSON at offset"));
    CHECK(contains(file_of("{\"\xff\":1}", 0), "not JSON at offset"));
    CHECK(contains(file_of(R"({"a":1})", 0), "'a': a number"));
    CHECK(contains(file_of(R"({"a":null})", 0), "null"));
    CHECK(contains(file_of(R"({"a":true})", 0), "truth"));
    CHECK(contains(file_of(R"({"a":[]})", 0), "an array"));
    CHECK(contains(file_of(R"({"a\nb":"x"})", 0), R"('a\x0ab': a string)"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","shape":[[[[1]]]],"data_offsets":[0,1]}})", 1), "an array"));
    CHECK(contains(file_of(R"({"__metadata__":{"k":1}})", 0), "a number"));
    CHECK(contains(file_of(R"({"__metadata__":{"k":"1","k":"2"}})", 0), "'k' is there twice"));
    CHECK(contains(file_of(R"({"__metadata__":{},"__metadata__":{}})", 0), "there twice"));
    CHECK(contains(
        file_of(
            R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
            1),
        "'a': the name is there twice"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
                   "'dtype' is there twice"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "lacks"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", 1), "'x' is not part"));
    // Types, shapes, offsets.
    CHECK(contains(file_of(R"({"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})", 2), "'F16' is not supported"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1), "negative"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1), "no 64-bit integer"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,1]}})", 1),
                   "no 64-bit"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1), "more than 6"));
    CHECK(
        contains(file_of(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0), "2^63"));
    CHECK(contains(file_of(R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0), "2^63"));
    CHECK(contains(file_of(R"({"a":{"dtype":"F32","shape":[0,4611686018427387904,8],"data_offsets":[0,0]}})", 0),
                   "2^63"));
    CHECK(contains(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4), "takes 8 bytes"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1), "offset 1 to 0"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})", 8), "offset 0 to 9 of 8"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1), "not two numbers"));
    CHECK(contains(file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1), "not two numbers"));
    // Overlaps, holes, ends.
    const auto two = [](int b1, int e1, int b2, int e2) {
        const auto entry = [](int b, int e) {
            return R"({"dtype":"U8","shape":[)" + std::to_string(e - b) + R"(],"data_offsets":[)" + std::to_string(b) +
                   "," + std::to_string(e) + "]}";
        };
        return "{\"a\":" + entry(b1, e1) + ",\"b\":" + entry(b2, e2) + "}";
    };
    CHECK(refusal(file_of(two(4, 8, 0, 4), 8)).empty());
    CHECK(refusal(file_of(two(4, 4, 0, 4), 4)).empty());
    CHECK(contains(file_of(two(0, 5, 4, 8), 8), "inside another"));
    CHECK(contains(file_of(two(0, 8, 4, 4), 8), "inside another"));
    CHECK(contains(file_of(two(0, 3, 4, 8), 8), "after a gap"));
    CHECK(contains(file_of(two(1, 4, 4, 8), 8), "after a gap"));
    CHECK(contains(file_of(two(0, 4, 4, 8), 9), "the arrays end"));
    CHECK(contains(file_of("{}", 1), "the arrays end"));
}

TEST_CASE("no damaged safetensors file does more than throw DataError") {
    const std::vector<NamedArray> arrays = some_arrays();
    const SafetensorsPlan plan = plan_safetensors(arrays, {{"k", "v"}});
    std::string good = plan.head;
    for (const NamedArray* array : plan.arrays)
        good.append(reinterpret_cast<const char*>(array->data.data()), array->data.size());
    REQUIRE(refusal(good).empty());
    for (std::size_t length = 0; length < good.size(); ++length) CHECK_FALSE(refusal(good.substr(0, length)).empty());
    CHECK_FALSE(refusal(good + '\0').empty());

    const RandomStream random(1, RandomPurpose::user);
    std::size_t accepted = 0, total = 0;
    for (std::size_t i = 0; i < plan.head.size(); ++i) {
        for (std::uint64_t k = 0; k < 12; ++k, ++total) {
            std::string bad = good;
            bad[i] = static_cast<char>(k < 8 ? bad[i] ^ (1 << k) : static_cast<int>(random.below(total, 256)));
            accepted += refusal(bad).empty();
        }
    }
    // Some changes give another valid file (a letter of a name); a checkpoint's hashes are there for those.
    CHECK(accepted < total / 2);
}
