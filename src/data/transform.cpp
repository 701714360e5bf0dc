// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/transform.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "data/checks.hpp"
#include "firecaffe/core/random.hpp"

namespace firecaffe {

namespace {

void read_from(const Dataset& set, std::uint32_t epoch, std::size_t index, Sample& sample) {
    set.get(epoch, index, sample);
}
void read_from(const Dataset& set, std::uint32_t epoch, std::size_t index, ByteSample& sample) {
    set.get_bytes(epoch, index, sample);
}

}  // namespace

/// Whole source images; there are never more of them than threads that read at the same time.
template <class SomeSample>
class TransformedDataset::ScratchPool {
  public:
    explicit ScratchPool(std::size_t values) : values_(values) {}

    struct Image {
        std::vector<typename decltype(SomeSample::pixels)::value_type> pixels;
        bool filled = false;
        std::uint32_t epoch = 0;
        std::size_t index = 0;
        std::int64_t label = 0;
        std::uint64_t id = 0;

        bool holds(std::uint32_t wanted_epoch, std::size_t wanted_index) const {
            return filled && epoch == wanted_epoch && index == wanted_index;
        }
        void read(const Dataset& set, std::uint32_t wanted_epoch, std::size_t wanted_index) {
            filled = false;  // should the set throw
            SomeSample sample{.pixels = pixels};
            read_from(set, wanted_epoch, wanted_index, sample);
            label = sample.label;
            id = sample.id;
            epoch = wanted_epoch;
            index = wanted_index;
            filled = true;
        }
    };

    /// Memory for an image: where there is one, that which holds sample `index` of `epoch` already.
    class Loan {
      public:
        Loan(ScratchPool& pool, std::uint32_t epoch, std::size_t index)
            : pool_(pool), image_(pool.take(epoch, index)) {}
        ~Loan() { pool_.give_back(std::move(image_)); }
        Loan(const Loan&) = delete;
        Loan& operator=(const Loan&) = delete;
        Image& image() { return image_; }

      private:
        ScratchPool& pool_;
        Image image_;
    };

  private:
    Image take(std::uint32_t epoch, std::size_t index) {
        const std::lock_guard lock(mutex_);
        if (free_.empty()) {
            // Room for every image that is out, so that giving back cannot throw.
            free_.reserve(++made_);
            Image image;
            image.pixels.resize(values_);
            return image;
        }
        const auto found =
            std::find_if(free_.begin(), free_.end(), [&](const Image& image) { return image.holds(epoch, index); });
        if (found != free_.end()) std::swap(*found, free_.back());
        Image image = std::move(free_.back());
        free_.pop_back();
        return image;
    }
    void give_back(Image image) noexcept {
        const std::lock_guard lock(mutex_);
        free_.push_back(std::move(image));
    }

    const std::size_t values_;
    std::mutex mutex_;
    std::size_t made_ = 0;
    std::vector<Image> free_;
};

Shape transformed_shape(const Shape& source, const TransformOptions& options) {
    constexpr std::int64_t kMost = data_detail::kMaxSampleValues;
    if (options.pad < 0 || options.pad > kMost)
        throw ConfigError("transform: pad ", options.pad, "; it must lie in 0 .. ", kMost);
    if (options.crop_size < 0)
        throw ConfigError("transform: crop_size ", options.crop_size, " is negative; use 0 for no crop");
    const std::int64_t height = source[1] + 2 * options.pad, width = source[2] + 2 * options.pad;
    const std::int64_t crop = options.crop_size;
    if (crop > height || crop > width)
        throw ConfigError("transform: crop_size ", crop, " (", crop, 'x', crop, ") is larger than the image of ",
                          height, 'x', width, options.pad > 0 ? " (padded)" : "", "; lower crop_size or raise pad");
    return crop > 0 ? Shape{source[0], crop, crop} : Shape{source[0], height, width};
}

namespace {

/// How many crops a test image has.
std::int64_t crops_of(const TransformOptions& options, TransformMode mode, const Shape& source, const Shape& crop) {
    if (options.test_crops != 1 && options.test_crops != kTenCrops)
        throw ConfigError("transform: test_crops ", options.test_crops, "; use 1 (the centre) or 10");
    if (mode == TransformMode::train) return 1;
    if (options.test_crops > 1 && crop[1] == source[1] + 2 * options.pad && crop[2] == source[2] + 2 * options.pad)
        throw ConfigError("transform: test_crops ", options.test_crops, ", but a crop of ", crop[1], 'x', crop[2],
                          " is the whole image; lower crop_size or use 1");
    return options.test_crops;
}

std::vector<float> channel_means(const std::vector<double>& values, std::int64_t channels) {
    const auto count = static_cast<std::size_t>(channels);
    if (values.size() > 1 && values.size() != count)
        throw ConfigError("transform: mean_value has ", values.size(), " values, but images have ", channels,
                          " channels; give none, one, or one per channel");
    std::vector<float> means(count, 0.0f);
    for (std::size_t c = 0; c < count && !values.empty(); ++c) {
        const double value = values.size() == 1 ? values[0] : values[c];
        if (!std::isfinite(value)) throw ConfigError("transform: mean_value ", value, " is not a finite number");
        means[c] = static_cast<float>(value);
    }
    return means;
}

}  // namespace

TransformedDataset::TransformedDataset(DatasetPtr set, const TransformOptions& options, std::uint64_t seed,
                                       TransformMode mode)
    : DatasetDecorator(std::move(set)),
      source_(inner().shape()),
      shape_(transformed_shape(source_, options)),
      pad_(options.pad),
      mirror_(options.mirror),
      mean_(channel_means(options.mean_value, source_[0])),
      scale_(static_cast<float>(options.scale)),
      seed_(seed),
      mode_(mode),
      crops_(static_cast<std::size_t>(crops_of(options, mode, source_, shape_))),
      has_bytes_(inner().has_bytes() && inner().pixel_transform().as_stored),
      scratch_(std::make_unique<ScratchPool<Sample>>(static_cast<std::size_t>(source_.count()))),
      byte_scratch_(std::make_unique<ScratchPool<ByteSample>>(static_cast<std::size_t>(source_.count()))) {
    data_detail::check_sample_shape("transform", shape_);
    if (!std::isfinite(options.scale)) throw ConfigError("transform: scale ", options.scale, " is not a finite number");
}

TransformedDataset::~TransformedDataset() = default;

CropPlace TransformedDataset::place(std::uint32_t epoch, std::uint64_t id, std::size_t crop) const {
    const std::int64_t spare_rows = source_[1] + 2 * pad_ - shape_[1];
    const std::int64_t spare_columns = source_[2] + 2 * pad_ - shape_[2];
    if (crops_ > 1) {
        constexpr std::size_t kPlaces = kTenCrops / 2, kCentre = kPlaces - 1;
        const std::size_t at = crop % kPlaces;
        const bool flip = crop >= kPlaces;
        if (at == kCentre) return {spare_rows / 2, spare_columns / 2, flip};
        return {at / 2 == 0 ? 0 : spare_rows, at % 2 == 0 ? 0 : spare_columns, flip};
    }
    if (mode_ == TransformMode::test) return {spare_rows / 2, spare_columns / 2, false};

    const RandomStream stream(seed_, RandomPurpose::augment, epoch, static_cast<std::uint32_t>(id));
    // The upper half of an id, should it have one, names another block of the stream.
    const RandomBlock draw = stream.block(id >> 32 << 32);
    const auto below = [](std::uint32_t bits, std::int64_t bound) {
        return static_cast<std::int64_t>(bits * static_cast<std::uint64_t>(bound) >> 32);
    };
    return {below(draw[0], spare_rows + 1), below(draw[1], spare_columns + 1), mirror_ && draw[2] >> 31 != 0};
}

void TransformedDataset::finish_row(std::span<float> row, std::int64_t channel, bool flip) const {
    if (flip) std::reverse(row.begin(), row.end());
    const float mean = mean_[static_cast<std::size_t>(channel)];
    for (float& pixel : row) pixel = (pixel - mean) * scale_;
}

void TransformedDataset::get(std::uint32_t epoch, std::size_t index, Sample& sample) const {
    data_detail::check_get("TransformedDataset", index, size(), shape_, sample);
    const auto row_of = [&](std::int64_t channel, std::int64_t h) {
        return sample.pixels.subspan(static_cast<std::size_t>((channel * shape_[1] + h) * shape_[2]),
                                     static_cast<std::size_t>(shape_[2]));
    };
    if (shape_ == source_ && pad_ == 0) {
        inner().get(epoch, index, sample);
        const bool flip = place(epoch, sample.id, 0).flip;
        for (std::int64_t c = 0; c < shape_[0]; ++c)
            for (std::int64_t h = 0; h < shape_[1]; ++h) finish_row(row_of(c, h), c, flip);
        return;
    }

    const std::size_t source_index = index / crops_;
    ScratchPool<Sample>::Loan loan(*scratch_, epoch, source_index);
    auto& whole = loan.image();
    // All crops of an image are asked for one after the other, so it is decoded once.
    if (crops_ == 1 || !whole.holds(epoch, source_index)) whole.read(inner(), epoch, source_index);
    sample.label = whole.label;
    sample.id = whole.id;
    const CropPlace at = place(epoch, whole.id, index % crops_);
    // Columns [begin, end) of the crop lie on the source; the others on padding.
    const std::int64_t begin = std::clamp<std::int64_t>(pad_ - at.left, 0, shape_[2]);
    const std::int64_t end = std::clamp<std::int64_t>(pad_ + source_[2] - at.left, begin, shape_[2]);
    for (std::int64_t c = 0; c < shape_[0]; ++c) {
        for (std::int64_t h = 0; h < shape_[1]; ++h) {
            const std::span<float> row = row_of(c, h);
            const std::int64_t source_row = h + at.top - pad_;
            if (source_row < 0 || source_row >= source_[1] || begin == end) {
                std::fill(row.begin(), row.end(), 0.0f);
            } else {
                const std::int64_t first = (c * source_[1] + source_row) * source_[2] + begin + at.left - pad_;
                std::fill(row.begin(), row.begin() + begin, 0.0f);
                std::copy_n(whole.pixels.begin() + first, end - begin, row.begin() + begin);
                std::fill(row.begin() + end, row.end(), 0.0f);
            }
            finish_row(row, c, at.flip);
        }
    }
}

PixelTransform TransformedDataset::pixel_transform() const {
    return {.source = source_, .shape = shape_, .pad = pad_, .mean = mean_, .scale = scale_, .as_stored = false};
}

void TransformedDataset::get_bytes(std::uint32_t epoch, std::size_t index, ByteSample& sample) const {
    if (!has_bytes_) return Dataset::get_bytes(epoch, index, sample);
    data_detail::check_get("TransformedDataset", index, size(), source_, sample);
    const std::size_t source_index = index / crops_;
    if (crops_ == 1) {
        inner().get_bytes(epoch, source_index, sample);
    } else {
        ScratchPool<ByteSample>::Loan loan(*byte_scratch_, epoch, source_index);
        auto& whole = loan.image();
        if (!whole.holds(epoch, source_index)) whole.read(inner(), epoch, source_index);
        std::copy(whole.pixels.begin(), whole.pixels.end(), sample.pixels.begin());
        sample.label = whole.label;
        sample.id = whole.id;
    }
    sample.place = place(epoch, sample.id, index % crops_);
}

}  // namespace firecaffe
