// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/data/transform.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "data/checks.hpp"
#include "firecaffe/core/random.hpp"

namespace firecaffe {

/// Buffers for whole source images; there are never more than threads that read at the same time.
class TransformedDataset::ScratchPool {
  public:
    explicit ScratchPool(std::size_t values) : values_(values) {}

    class Loan {
      public:
        explicit Loan(ScratchPool& pool) : pool_(pool), buffer_(pool.take()) {}
        ~Loan() { pool_.give_back(std::move(buffer_)); }
        Loan(const Loan&) = delete;
        Loan& operator=(const Loan&) = delete;
        std::span<float> pixels() { return buffer_; }

      private:
        ScratchPool& pool_;
        std::vector<float> buffer_;
    };

  private:
    std::vector<float> take() {
        const std::lock_guard lock(mutex_);
        if (free_.empty()) {
            // Room for every buffer that is out, so that giving back cannot throw.
            free_.reserve(++made_);
            return std::vector<float>(values_);
        }
        std::vector<float> buffer = std::move(free_.back());
        free_.pop_back();
        return buffer;
    }
    void give_back(std::vector<float> buffer) noexcept {
        const std::lock_guard lock(mutex_);
        free_.push_back(std::move(buffer));
    }

    const std::size_t values_;
    std::mutex mutex_;
    std::size_t made_ = 0;
    std::vector<std::vector<float>> free_;
};

/// The corner of the crop in the padded image, and whether the crop is flipped.
struct TransformedDataset::Placement {
    std::int64_t top = 0, left = 0;
    bool flip = false;
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
      scratch_(std::make_unique<ScratchPool>(static_cast<std::size_t>(source_.count()))) {
    data_detail::check_sample_shape("transform", shape_);
    if (!std::isfinite(options.scale)) throw ConfigError("transform: scale ", options.scale, " is not a finite number");
}

TransformedDataset::~TransformedDataset() = default;

TransformedDataset::Placement TransformedDataset::place(std::uint32_t epoch, std::uint64_t id) const {
    const std::int64_t spare_rows = source_[1] + 2 * pad_ - shape_[1];
    const std::int64_t spare_columns = source_[2] + 2 * pad_ - shape_[2];
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
        const bool flip = place(epoch, sample.id).flip;
        for (std::int64_t c = 0; c < shape_[0]; ++c)
            for (std::int64_t h = 0; h < shape_[1]; ++h) finish_row(row_of(c, h), c, flip);
        return;
    }

    ScratchPool::Loan scratch(*scratch_);
    Sample whole{scratch.pixels(), 0, 0};
    inner().get(epoch, index, whole);
    sample.label = whole.label;
    sample.id = whole.id;
    const Placement at = place(epoch, whole.id);
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

}  // namespace firecaffe
