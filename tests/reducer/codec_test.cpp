// SPDX-License-Identifier: Apache-2.0
// Codecs alone, and around a group of ranks.
#include "firecaffe/reducer/codec.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "catch.hpp"
#include "comm/partials.hpp"
#include "comm/ranks.hpp"
#include "firecaffe/comm/collective/tree.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/factory.hpp"

using namespace firecaffe;
using Type = CodecOptions::Type;

namespace {

std::vector<float> random_values(std::size_t count, std::uint32_t seed) {
    const RandomStream stream(31, RandomPurpose::user, seed);
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(stream.normal(i));
    return values;
}

struct Coded {
    std::vector<float> sent, kept;
};

/// What a codec makes of values: what a message adds to zeros, and what is kept back.
Coded pass(Codec& codec, std::vector<float> values) {
    Coded coded{std::vector<float>(values.size()), std::move(values)};
    std::vector<std::byte> message(codec.message_bytes(coded.kept.size()));
    codec.encode(coded.kept, message);
    codec.add(message, coded.sent);
    return coded;
}

double norm(const std::vector<float>& values) {
    return std::sqrt(std::accumulate(values.begin(), values.end(), 0.0, [](double sum, float value) {
        return sum + static_cast<double>(value) * static_cast<double>(value);
    }));
}

}  // namespace

TEST_CASE("codecs: what is sent and what is kept back is all there was") {
    for (const CodecOptions& options : {CodecOptions{Type::top_k, 0.01}, CodecOptions{Type::top_k, 0.3},
                                        CodecOptions{Type::top_k, 1.0}, CodecOptions{Type::one_bit}}) {
        for (const std::size_t count : {0u, 1u, 31u, 32u, 33u, 1023u, 1024u, 1025u, 5000u}) {
            const auto codec = make_codec(options);
            CAPTURE(codec->name(), options.density, count);
            CHECK(codec->message_bytes(count) % 4 == 0);
            const std::vector<float> values = random_values(count, 1);
            const Coded coded = pass(*codec, values);
            for (std::size_t i = 0; i < count; ++i)
                if (std::abs(coded.sent[i] + coded.kept[i] - values[i]) > 1e-6f) FAIL("value " << i);
            if (count > 0) CHECK(norm(coded.kept) < norm(values));
        }
    }
    CHECK(make_codec({}) == nullptr);
    for (const double density : {0.0, -1.0, 1.1, std::nan("")})
        CHECK_THROWS_AS(make_codec({Type::top_k, density}), ConfigError);
}

TEST_CASE("top_k sends the greatest values, and of equal ones the first") {
    const auto codec = make_codec({Type::top_k, 0.05});
    const std::vector<float> values = random_values(4000, 2);
    CHECK(codec->message_bytes(4000) == 200 * 8);
    const Coded coded = pass(*codec, values);
    std::vector<float> sizes;
    for (const float value : values) sizes.push_back(std::abs(value));
    std::ranges::sort(sizes, std::greater<>());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const bool sent = std::abs(values[i]) >= sizes[199];
        CHECK(coded.sent[i] == (sent ? values[i] : 0));
        CHECK(coded.kept[i] == (sent ? 0 : values[i]));
    }
    CHECK(pass(*make_codec({Type::top_k, 0.5}), {1, -1, 1, -1, 1}).sent == std::vector<float>{1, -1, 1, 0, 0});
    CHECK(pass(*make_codec({Type::top_k, 0.3}), {0, 0, 0}).sent == std::vector<float>{0, 0, 0});
    const float infinity = std::numeric_limits<float>::infinity();
    CHECK(pass(*make_codec({Type::top_k, 0.5}), {1, -infinity, 2, 3}).sent == std::vector<float>{0, -infinity, 0, 3});
    CHECK(std::isnan(pass(*make_codec({Type::top_k, 0.1}), {1, infinity, std::nanf("")}).sent[2]));
    std::vector<float> three(3);
    std::vector<std::byte> message(8, std::byte{0x7f});
    CHECK_THROWS_AS(codec->add(message, three), DataError);
}

TEST_CASE("one_bit sends the mean of either sign, for each block") {
    const auto codec = make_codec({Type::one_bit});
    CHECK(codec->message_bytes(1024) == 8 + 128);
    CHECK(codec->message_bytes(1025) == 8 + 128 + 8 + 4);
    CHECK(pass(*codec, {1, 3, -2, 0}).sent == std::vector<float>{4.0f / 3, 4.0f / 3, -2, 4.0f / 3});
    std::vector<float> two_blocks(1026, 1.0f);
    two_blocks[1024] = 5;
    two_blocks[1025] = -7;
    const Coded coded = pass(*codec, two_blocks);
    CHECK(coded.sent == two_blocks);
    CHECK(norm(coded.kept) == 0);
}

TEST_CASE("codecs: what is kept back is sent later, so no part of a gradient is lost") {
    for (const CodecOptions& options : {CodecOptions{Type::top_k, 0.05}, CodecOptions{Type::one_bit}}) {
        const auto codec = make_codec(options);
        CAPTURE(codec->name());
        const std::vector<float> gradient = random_values(2000, 3);
        std::vector<float> kept(gradient.size()), sum(gradient.size());
        constexpr int kSteps = 200;
        for (int step = 0; step < kSteps; ++step) {
            std::vector<float> values = kept;
            for (std::size_t i = 0; i < values.size(); ++i) values[i] += gradient[i];
            Coded coded = pass(*codec, std::move(values));
            kept = std::move(coded.kept);
            for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += coded.sent[i] / kSteps;
        }
        std::vector<float> error = sum;
        for (std::size_t i = 0; i < error.size(); ++i) error[i] -= gradient[i];
        CHECK(norm(error) < 0.2 * norm(gradient));
    }
}

TEST_CASE("a coded reducer adds up what all ranks have sent, with equal bits on each") {
    for (const CodecOptions& options : {CodecOptions{Type::top_k, 0.02}, CodecOptions{Type::one_bit}}) {
        for (const auto& group : {std::pair{2, 2}, {3, 3}, {5, 5}, {3, 7}, {4, 3}}) {
            const int ranks = group.first, shards = group.second;
            for (const std::size_t count : {0u, 1u, 3000u}) {
                CAPTURE(static_cast<int>(options.type), ranks, shards, count);
                std::vector<std::vector<float>> data;
                for (int s = 0; s < shards; ++s) data.push_back(random_values(count, static_cast<std::uint32_t>(s)));
                std::vector<std::vector<float>> results(static_cast<std::size_t>(ranks));
                const auto errors = run_ranks(ranks, 30, [&](int rank, std::shared_ptr<comm::Transport> transport) {
                    ReducerOptions chosen{.type = "tree", .codec = options};
                    const auto reducer = ReducerRegistry().make(chosen, transport, shards);
                    if (reducer->canonical() || reducer->exact()) throw InternalError("it claims to be exact");
                    auto slots = make_slots(data, rank, ranks);
                    const auto partials = pointers(slots);
                    ReduceRequest request{.bucket = 4, .exact = false, .count = count, .partials = partials};
                    reducer->sum(request);
                    results[static_cast<std::size_t>(rank)] = slots[0];
                    const auto sent = static_cast<std::size_t>(ranks - 1) * make_codec(options)->message_bytes(count);
                    if (transport->bytes_sent() != sent) throw InternalError("bytes: ", transport->bytes_sent());
                    slots = make_slots(data, rank, ranks);
                    const auto again = pointers(slots);
                    request.partials = again;
                    request.exact = true;
                    reducer->sum(request);
                    if (!same_bits(slots[0], comm::canonical_sum(data))) throw InternalError("no exact sum");
                    const double kept = reducer->statistics().kept_back;
                    const bool brings = count > 1 && !shard_block(rank, ranks, shards).empty();
                    if (brings != (kept > 0 && kept < 1)) throw InternalError("kept back: ", kept);
                    reducer->close();
                });
                for (const std::string& error : errors) REQUIRE(error == "");
                std::vector<float> expected(count);
                for (int rank = 0; rank < ranks; ++rank) {
                    auto slots = make_slots(data, rank, ranks);
                    if (shard_block(rank, ranks, shards).empty()) std::ranges::fill(slots[0], 0.0f);
                    for (std::size_t s = 1; s < slots.size(); ++s)
                        for (std::size_t i = 0; i < count; ++i) slots[0][i] += slots[s][i];
                    const Coded coded = pass(*make_codec(options), slots[0]);
                    for (std::size_t i = 0; i < count; ++i) expected[i] += coded.sent[i];
                }
                for (const auto& result : results) CHECK(same_bits(result, expected));
            }
        }
    }
}

TEST_CASE("codecs: what cannot be together is refused") {
    const auto make = [](ReducerOptions options) {
        return ReducerRegistry().make(options, comm::make_thread_transports(2)[0], 2);
    };
    const CodecOptions one_bit{Type::one_bit};
    CHECK_THROWS_AS(make({.type = "tree", .wire = comm::WireType::bfloat16, .codec = one_bit}), ConfigError);
    CHECK_THROWS_AS(make({.type = "mpi", .codec = one_bit}), ConfigError);
    CHECK_THROWS_AS(make({.type = "tree", .codec = {Type::top_k, 2}}), ConfigError);
    CHECK(make({.type = "auto", .codec = one_bit})->name() == "pipelined_tree with one_bit");
    const auto transports = comm::make_thread_transports(2);
    CHECK_THROWS_AS(make_coded_reducer(transports[0], comm::plan_tree(2, 2), nullptr), UsageError);
    CHECK_THROWS_AS(make_coded_reducer(transports[0], comm::plan_tree(3, 3), make_codec(one_bit)), UsageError);
    CHECK_THROWS_AS(make_coded_reducer(nullptr, comm::plan_tree(2, 2), make_codec(one_bit)), UsageError);
}
