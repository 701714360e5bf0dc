// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <cmath>
#include <vector>

#include "firecaffe/layers/filler.hpp"

using namespace firecaffe;

namespace {

const Shape kShape{64, 32, 5, 3};  // fan_in 480, fan_out 960

std::vector<double> filled(const FillerOptions& filler) {
    std::vector<double> values(static_cast<std::size_t>(kShape.count()));
    fill<double>(filler, kShape, filler_stream(9, "conv.weight"), values);
    return values;
}
double largest(const std::vector<double>& v) {
    double m = 0;
    for (const double x : v) m = std::max(m, std::abs(x));
    return m;
}
double deviation(const std::vector<double>& v) {
    double squares = 0;
    for (const double x : v) squares += x * x;
    return std::sqrt(squares / static_cast<double>(v.size()));
}
FillerOptions with(FillerOptions::Type type, FillerOptions::VarianceNorm norm) {
    FillerOptions f;
    f.type = type;
    f.variance_norm = norm;
    return f;
}

}  // namespace

TEST_CASE("xavier is uniform within sqrt(3/n) for each of its three norms") {
    using Norm = FillerOptions::VarianceNorm;
    const auto bound = [](double n) { return std::sqrt(3.0 / n); };
    for (const auto& [norm, n] : {std::pair{Norm::fan_in, 480.0}, {Norm::fan_out, 960.0}, {Norm::average, 720.0}}) {
        const auto values = filled(with(FillerOptions::Type::xavier, norm));
        CHECK(largest(values) <= bound(n));
        CHECK(largest(values) == Approx(bound(n)).epsilon(0.001));
        CHECK(deviation(values) == Approx(bound(n) / std::sqrt(3.0)).epsilon(0.02));
    }
    // The average is the formula that papers print: sqrt(6 / (fan_in + fan_out)).
    CHECK(bound(720.0) == Approx(std::sqrt(6.0 / (480.0 + 960.0))));
}

TEST_CASE("xavier's norm is fan-in unless stated") {
    FillerOptions f;
    f.type = FillerOptions::Type::xavier;
    CHECK(largest(filled(f)) == Approx(std::sqrt(3.0 / 480.0)).epsilon(0.001));  // the paper's is sqrt(3 / 720)
}

TEST_CASE("msra is normal with deviation sqrt(2/n)") {
    const auto values = filled(with(FillerOptions::Type::msra, FillerOptions::VarianceNorm::fan_in));
    CHECK(deviation(values) == Approx(std::sqrt(2.0 / 480.0)).epsilon(0.02));
}

TEST_CASE("constant, uniform and gaussian") {
    FillerOptions f;
    f.value = 0.2;
    for (const double v : filled(f)) REQUIRE(v == 0.2);
    f.type = FillerOptions::Type::uniform;
    f.min = -1;
    f.max = 3;
    double sum = 0;
    for (const double v : filled(f)) {
        REQUIRE(v >= -1);
        REQUIRE(v < 3);
        sum += v;
    }
    CHECK(sum / static_cast<double>(kShape.count()) == Approx(1.0).margin(0.03));
    f.type = FillerOptions::Type::gaussian;
    f.mean = 0;
    f.std = 0.05;
    CHECK(deviation(filled(f)) == Approx(0.05).epsilon(0.02));
    f.std = -1;
    CHECK_THROWS_AS(filled(f), ConfigError);
    f.type = FillerOptions::Type::uniform;
    f.min = 4;
    CHECK_THROWS_AS(filled(f), ConfigError);
}

TEST_CASE("bilinear: the same pyramid in every kernel") {
    FillerOptions f;
    f.type = FillerOptions::Type::bilinear;
    const auto weights = [&](const Shape& shape) {
        std::vector<double> values(static_cast<std::size_t>(shape.count()));
        fill<double>(f, shape, filler_stream(9, "up.weight"), values);
        return values;
    };
    // Caffe's f = 2, c = 3/4 for width 4, and f = 2, c = 1/2 for width 3.
    const double even[] = {0.25, 0.75, 0.75, 0.25}, odd[] = {0.5, 1.0, 0.5};
    const auto four = weights(Shape{3, 1, 4, 4});
    for (std::size_t i = 0; i < 48; ++i) CHECK(four[i] == Approx(even[i % 4] * even[i / 4 % 4]));
    const auto three = weights(Shape{2, 2, 3, 3});
    for (std::size_t i = 0; i < 36; ++i) CHECK(three[i] == Approx(odd[i % 3] * odd[i / 3 % 3]));
    CHECK_THROWS_AS(weights(Shape{2, 1, 3, 4}), ConfigError);
    CHECK_THROWS_AS(weights(Shape{4, 9}), ConfigError);
}

TEST_CASE("positive_unitball: positive, and the weights of each output have the sum 1") {
    FillerOptions f;
    f.type = FillerOptions::Type::positive_unitball;
    const auto values = filled(f);
    const std::size_t row = values.size() / 64;
    for (std::size_t first = 0; first < values.size(); first += row) {
        double sum = 0;
        for (std::size_t i = first; i < first + row; ++i) {
            REQUIRE(values[i] >= 0);
            sum += values[i];
        }
        CHECK(sum == Approx(1.0).epsilon(1e-12));
    }
    CHECK(largest(values) < 2.2 / static_cast<double>(row));  // uniform: at most twice the mean, nearly
}

TEST_CASE("values depend on seed and name, and float is double rounded once") {
    FillerOptions f;
    f.type = FillerOptions::Type::gaussian;
    std::vector<double> a(100), b(100);
    std::vector<float> c(100);
    fill<double>(f, Shape{100}, filler_stream(1, "a.weight"), a);
    fill<double>(f, Shape{100}, filler_stream(1, "b.weight"), b);
    fill<float>(f, Shape{100}, filler_stream(1, "a.weight"), c);
    CHECK(a != b);
    for (std::size_t i = 0; i < 100; ++i) CHECK(c[i] == static_cast<float>(a[i]));
    fill<double>(f, Shape{100}, filler_stream(2, "a.weight"), b);
    CHECK(a != b);
}
