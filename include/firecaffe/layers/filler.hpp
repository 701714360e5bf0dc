// SPDX-License-Identifier: Apache-2.0
// Initial values of parameters, with Caffe's meaning of every filler (filler.hpp of BVLC Caffe 1.0).
#pragma once

#include <span>
#include <string_view>

#include "firecaffe/core/random.hpp"
#include "firecaffe/core/shape.hpp"
#include "firecaffe/layers/options.hpp"

namespace firecaffe {

/// The stream that the parameter of this full name ("conv1.weight") is drawn from. It depends on seed and name only,
/// so that adding a layer does not change the others' initial values.
RandomStream filler_stream(std::uint64_t seed, std::string_view parameter_name);

/// n of the variance rules: fan_in = count / shape[0], fan_out = count / shape[1], average = their mean.
double filler_fan(const Shape& shape, FillerOptions::VarianceNorm norm);

/// Writes shape.count() values:
///   constant value - gaussian N(mean, std) - uniform U[min, max) - xavier U[-a, a), a = sqrt(3/n) - msra N(0, sqrt(2/n))
///   bilinear (1 - |x/f - c|)(1 - |y/f - c|), f = ceil(k/2), c = (k-1)/(2f): a Deconvolution of kernel k = 2s - s%2,
///   stride s and pad ceil((s-1)/2), with one group per channel, then enlarges maps s times by interpolation
///   positive_unitball U[0, 1) over its sum along each index of the first axis
/// The numbers are computed in double and rounded once, so float and double nets start alike.
/// Throws ConfigError for a negative std, for min > max, and for a bilinear shape that is not N x C x k x k.
template <class T>
void fill(const FillerOptions& filler, const Shape& shape, const RandomStream& stream, std::span<T> values);

extern template void fill<float>(const FillerOptions&, const Shape&, const RandomStream&, std::span<float>);
extern template void fill<double>(const FillerOptions&, const Shape&, const RandomStream&, std::span<double>);

}  // namespace firecaffe
