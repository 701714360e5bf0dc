// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/layers/filler.hpp"

#include <algorithm>
#include <cmath>

#include "firecaffe/core/error.hpp"

namespace firecaffe {

RandomStream filler_stream(std::uint64_t seed, std::string_view parameter_name) {
    std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a, 64 bits
    for (const char c : parameter_name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return {seed, RandomPurpose::filler, static_cast<std::uint32_t>(hash), static_cast<std::uint32_t>(hash >> 32)};
}

double filler_fan(const Shape& shape, FillerOptions::VarianceNorm norm) {
    const auto count = static_cast<double>(shape.count());
    const double fan_in = count / static_cast<double>(std::max<std::int64_t>(shape[0], 1));
    const double fan_out = count / static_cast<double>(std::max<std::int64_t>(shape[1], 1));
    switch (norm) {
        case FillerOptions::VarianceNorm::fan_in: return fan_in;
        case FillerOptions::VarianceNorm::fan_out: return fan_out;
        case FillerOptions::VarianceNorm::average: return (fan_in + fan_out) / 2;
    }
    return fan_in;
}

namespace {

template <class T>
void fill_uniform(std::span<T> values, const RandomStream& stream, double min, double max) {
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<T>(min + (max - min) * static_cast<double>(stream.uniform(i)));
}

template <class T>
void fill_normal(std::span<T> values, const RandomStream& stream, double mean, double std) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(mean + std * stream.normal(i));
}

/// Weights of an interpolation between neighbours, for a deconvolution that enlarges by f = ceil(width / 2).
template <class T>
void fill_bilinear(const Shape& shape, std::span<T> values) {
    if (shape.rank() != 4 || shape[2] != shape[3])
        throw ConfigError("filler: bilinear is given ", shape, "; it fills weights of square kernels, N x C x k x k");
    const std::int64_t width = shape[3];
    const auto f = static_cast<double>((width + 1) / 2);
    const double centre = static_cast<double>(width - 1) / (2 * f);
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const auto x = static_cast<double>(at % width), y = static_cast<double>(at / width % width);
        values[i] = static_cast<T>((1 - std::abs(x / f - centre)) * (1 - std::abs(y / f - centre)));
    }
}

/// Uniform in [0, 1), then divided by the sum over all of a row, which is what one index of the first axis has.
template <class T>
void fill_positive_unitball(const Shape& shape, std::span<T> values, const RandomStream& stream) {
    const std::size_t row = values.size() / static_cast<std::size_t>(std::max<std::int64_t>(shape[0], 1));
    for (std::size_t first = 0; first < values.size(); first += row) {
        double sum = 0;
        for (std::size_t i = first; i < first + row; ++i) sum += static_cast<double>(stream.uniform(i));
        for (std::size_t i = first; i < first + row; ++i)
            values[i] = static_cast<T>(static_cast<double>(stream.uniform(i)) / sum);
    }
}

}  // namespace

template <class T>
void fill(const FillerOptions& filler, const Shape& shape, const RandomStream& stream, std::span<T> values) {
    const double fan = std::max(filler_fan(shape, filler.variance_norm), 1.0);
    switch (filler.type) {
        case FillerOptions::Type::constant:
            std::fill(values.begin(), values.end(), static_cast<T>(filler.value));
            break;
        case FillerOptions::Type::gaussian:
            if (filler.std < 0) throw ConfigError("filler: std is ", filler.std, "; give zero or more");
            fill_normal(values, stream, filler.mean, filler.std);
            break;
        case FillerOptions::Type::uniform:
            if (filler.min > filler.max)
                throw ConfigError("filler: min ", filler.min, " is above max ", filler.max, "; swap them");
            fill_uniform(values, stream, filler.min, filler.max);
            break;
        case FillerOptions::Type::xavier: {
            const double bound = std::sqrt(3.0 / fan);
            fill_uniform(values, stream, -bound, bound);
            break;
        }
        case FillerOptions::Type::msra: fill_normal(values, stream, 0.0, std::sqrt(2.0 / fan)); break;
        case FillerOptions::Type::bilinear: fill_bilinear(shape, values); break;
        case FillerOptions::Type::positive_unitball: fill_positive_unitball(shape, values, stream); break;
    }
}

template void fill<float>(const FillerOptions&, const Shape&, const RandomStream&, std::span<float>);
template void fill<double>(const FillerOptions&, const Shape&, const RandomStream&, std::span<double>);

}  // namespace firecaffe
