// SPDX-License-Identifier: Apache-2.0
#include "cli/whitening_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "firecaffe/core/error.hpp"
#include "firecaffe/model_io/safetensors.hpp"

namespace firecaffe::cli {

namespace {

constexpr const char* kFormat = "firecaffe whitening 1";
constexpr const char* kCure = "; make it with 'firecaffe whiten'";

const std::string& entry(const std::string& path, const SafetensorsFile& file, const char* key) {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end())
        throw DataError("'", path, "' does not state its '", key, "', so it is no whitening", kCure);
    return found->second;
}

template <class Number>
Number positive_entry(const std::string& path, const SafetensorsFile& file, const char* key) {
    const std::string& text = entry(path, file, key);
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    bool fine = error == std::errc() && end == text.data() + text.size() && value > 0;
    if constexpr (std::is_floating_point_v<Number>) fine = fine && std::isfinite(value);
    if (!fine) throw DataError("'", path, "' states the ", key, " '", text, "', which is no positive number", kCure);
    return value;
}

std::vector<float> array(const std::string& path, const SafetensorsFile& file, const char* name, const Shape& shape) {
    std::vector<float> values(static_cast<std::size_t>(shape.count()));
    file.copy_to(name, DType::float32, shape, std::as_writable_bytes(std::span(values)));
    if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); }))
        throw DataError("'", path, "': array '", name, "' has a value that is not a finite number", kCure);
    return values;
}

}  // namespace

void save_whitening(const std::string& path, const Whitening& whitening) {
    const std::int64_t values = whitening.shape.count();
    const auto bytes = [](const std::vector<float>& array) { return std::as_bytes(std::span(array)); };
    const NamedArray arrays[] = {
        {"mean", DType::float32, whitening.shape, bytes(whitening.mean)},
        {"matrix", DType::float32, Shape{values, values}, bytes(whitening.matrix)},
    };
    save_safetensors(path, arrays,
                     {{"format", kFormat},
                      {"contrast", fmt::format("{}", whitening.options.contrast)},
                      {"filter_bias", fmt::format("{}", whitening.options.filter_bias)},
                      {"images", fmt::format("{}", whitening.images)},
                      {"fitted_to", whitening.fitted_to}});
}

Whitening load_whitening(const std::string& path) {
    const SafetensorsFile file = SafetensorsFile::load(path);
    if (const std::string& format = entry(path, file, "format"); format != kFormat)
        throw DataError("'", path, "' has the format '", format, "', not '", kFormat, "'", kCure);
    Whitening whitening;
    whitening.options.contrast = positive_entry<double>(path, file, "contrast");
    whitening.options.filter_bias = positive_entry<double>(path, file, "filter_bias");
    whitening.images = positive_entry<std::int64_t>(path, file, "images");
    whitening.fitted_to = entry(path, file, "fitted_to");
    const NamedArray* mean = file.find("mean");
    if (mean == nullptr || mean->shape.rank() != 3 || mean->shape.count() == 0)
        throw DataError("'", path, "' has no array 'mean' of channels, height, width", kCure);
    whitening.shape = mean->shape;
    const std::int64_t values = whitening.shape.count();
    whitening.mean = array(path, file, "mean", whitening.shape);
    whitening.matrix = array(path, file, "matrix", Shape{values, values});
    return whitening;
}

}  // namespace firecaffe::cli
