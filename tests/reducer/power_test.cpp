// SPDX-License-Identifier: Apache-2.0
// PowerSGD: factors instead of matrices, what is kept back, and equal bits on all ranks.
#include "catch.hpp"

#include <cmath>
#include <random>
#include <vector>

#include "comm/ranks.hpp"
#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/factory.hpp"
#include "reducer/low_rank.hpp"

using namespace firecaffe;

namespace {

std::vector<float> normal_values(std::size_t count, std::uint32_t seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> draw;
    std::vector<float> values(count);
    for (float& value : values) value = draw(generator);
    return values;
}

double norm(const std::vector<float>& values) {
    double sum = 0;
    for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
    return std::sqrt(sum);
}

double apart(const std::vector<float>& a, const std::vector<float>& b) {
    std::vector<float> difference = a;
    for (std::size_t i = 0; i < a.size(); ++i) difference[i] -= b[i];
    return norm(difference) / norm(b);
}

// A bucket of 5 plain values, a matrix of 30 x 40, 3 plain values, a matrix of 2 x 2 that factors would not make smaller.
constexpr MatrixPlace kMatrices[] = {{5, 30, 40}, {1208, 2, 2}};
constexpr std::size_t kCount = 5 + 30 * 40 + 3 + 2 * 2;

ReducerOptions power(std::int64_t columns) {
    ReducerOptions options;
    options.type = "tree";
    options.codec.type = CodecOptions::Type::power_sgd;
    options.codec.approximation_rank = columns;
    return options;
}

struct Steps {
    std::vector<std::vector<float>> sums;  // of rank 0, per step
    double kept_back = 0;
    std::uint64_t bytes = 0;  // sent by rank 0
};

/// Each rank brings gradients[rank] again and again.
Steps reduce(const std::vector<std::vector<float>>& gradients, std::int64_t columns, int steps) {
    const int ranks = static_cast<int>(gradients.size());
    std::vector<Steps> all(gradients.size());
    const auto errors = run_ranks(ranks, 30, [&](int rank, std::shared_ptr<comm::Transport> transport) {
        const auto reducer = ReducerRegistry().make(power(columns), transport, ranks);
        Steps& mine = all[static_cast<std::size_t>(rank)];
        for (int step = 0; step < steps; ++step) {
            std::vector<float> values = gradients[static_cast<std::size_t>(rank)];
            std::byte* const partial = reinterpret_cast<std::byte*>(values.data());
            ReduceRequest request{.exact = false, .count = values.size()};
            request.partials = {&partial, 1};
            request.matrices = kMatrices;
            reducer->sum(request);
            mine.sums.push_back(values);
        }
        mine.kept_back = reducer->statistics().kept_back;
        mine.bytes = transport->bytes_sent();
        reducer->close();
    });
    for (const std::string& error : errors) REQUIRE(error == "");
    for (const Steps& other : all) REQUIRE(other.sums == all[0].sums);
    return all[0];
}

std::vector<float> sum_of(const std::vector<std::vector<float>>& gradients) {
    std::vector<float> sum(gradients[0].size());
    for (const auto& gradient : gradients)
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += gradient[i];
    return sum;
}

}  // namespace

TEST_CASE("power_sgd: orthonormal columns, and zeros for a column that depends on the others") {
    std::vector<float> p = normal_values(3 * 50, 1);
    std::copy_n(p.begin(), 50, p.begin() + 100);  // the third is the first
    low_rank::orthonormalize(p, 50);
    for (std::size_t a = 0; a < 3; ++a) {
        for (std::size_t b = 0; b < 3; ++b) {
            double dot = 0;
            for (std::size_t i = 0; i < 50; ++i)
                dot += static_cast<double>(p[a * 50 + i]) * static_cast<double>(p[b * 50 + i]);
            CHECK(dot == Approx(a == b && a < 2 ? 1.0 : 0.0).margin(1e-5));
        }
    }
    std::vector<float> zeros(20);
    low_rank::orthonormalize(zeros, 10);
    CHECK(norm(zeros) == 0);
}

TEST_CASE("power_sgd: a sum of as low a rank is summed almost exactly, and what lies beside matrices exactly") {
    for (const int ranks : {2, 3, 5}) {
        const std::vector<float> left = normal_values(2 * 30, 1), right = normal_values(2 * 40, 2);
        std::vector<std::vector<float>> gradients;
        for (int rank = 0; rank < ranks; ++rank) {
            std::vector<float> values = normal_values(kCount, static_cast<std::uint32_t>(10 + rank));
            for (std::size_t i = 0; i < 30; ++i)
                for (std::size_t j = 0; j < 40; ++j)
                    values[5 + i * 40 + j] = left[i] * right[j] + static_cast<float>(rank) * left[30 + i] * right[40 + j];
            gradients.push_back(std::move(values));
        }
        CAPTURE(ranks);
        const std::vector<float> expected = sum_of(gradients);
        const Steps steps = reduce(gradients, 2, 3);
        for (const auto& sum : steps.sums) {
            CHECK(apart(sum, expected) < 1e-4);
            for (std::size_t i = 0; i < kCount; ++i)
                if (i < 5 || i >= 1205) REQUIRE(sum[i] == Approx(expected[i]).epsilon(1e-5).margin(1e-5));
        }
        CHECK(steps.kept_back < 1e-4);
    }
}

TEST_CASE("power_sgd: what is kept back is sent later, so no part of a gradient is lost; and less is sent") {
    std::vector<std::vector<float>> gradients;
    for (std::uint32_t rank = 0; rank < 3; ++rank) gradients.push_back(normal_values(kCount, rank));
    const std::vector<float> expected = sum_of(gradients);
    double before = 10;
    for (const int steps : {10, 100, 400}) {
        const Steps made = reduce(gradients, 1, steps);
        std::vector<float> mean(kCount);
        for (const auto& sum : made.sums)
            for (std::size_t i = 0; i < kCount; ++i) mean[i] += sum[i] / static_cast<float>(steps);
        const double error = apart(mean, expected);
        CAPTURE(steps, made.kept_back);
        CHECK(error < before / 2);
        before = error;
        CHECK(made.kept_back > 0.1);
        CHECK(made.kept_back < 1);
        // Two ways of tree's rank 0 of three: it sends the sum twice.
        CHECK(made.bytes == static_cast<std::uint64_t>(steps) * 2 * (70 + 12) * sizeof(float));
    }
    CHECK(before < 0.1);
}

TEST_CASE("power_sgd: exact requests stay exact, zeros teach it nothing, and what cannot be meant is refused") {
    std::vector<std::vector<float>> zeros(2, std::vector<float>(kCount));
    const Steps none = reduce(zeros, 2, 3);
    CHECK(norm(none.sums.back()) == 0);
    CHECK(none.kept_back == 0);
    const auto errors = run_ranks(2, 30, [&](int rank, std::shared_ptr<comm::Transport> transport) {
        const auto reducer = ReducerRegistry().make(power(2), transport, 2);
        std::vector<float> values(kCount, static_cast<float>(rank + 1));
        std::byte* const partial = reinterpret_cast<std::byte*>(values.data());
        ReduceRequest request{.count = kCount};
        request.partials = {&partial, 1};
        request.matrices = kMatrices;
        reducer->sum(request);
        if (values != std::vector<float>(kCount, 3.0f)) throw InternalError("no exact sum");
        // After nothing but zeros there are still factors to start from.
        std::fill(values.begin(), values.end(), 0.0f);
        request.exact = false;
        reducer->sum(request);
        std::fill(values.begin(), values.end(), static_cast<float>(rank + 1));
        reducer->sum(request);
        if (std::abs(values[100] - 3.0f) > 1e-4f) throw InternalError("not summed: ", values[100]);
        reducer->close();
    });
    for (const std::string& error : errors) REQUIRE(error == "");

    const auto make = [](ReducerOptions options) {
        return ReducerRegistry().make(options, comm::make_thread_transports(2)[0], 2);
    };
    ReducerOptions options = power(2);
    options.wire = comm::WireType::bfloat16;
    CHECK_THROWS_AS(make(options), ConfigError);
    CHECK_THROWS_AS(make(power(0)), UsageError);
}
