// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "firecaffe/comm/collective/add.hpp"
#include "firecaffe/comm/collective/all_gather.hpp"
#include "reducer/codecs/codecs.hpp"
#include "reducer/on_transport.hpp"

namespace firecaffe {
namespace {

double squares(std::span<const float> values) {
    double sum = 0;
    for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
    return sum;
}

class CodedReducer final : public OnTransport {
  public:
    CodedReducer(std::shared_ptr<comm::Transport> transport, comm::Plan plan, std::unique_ptr<Codec> codec,
                 comm::ExecutorOptions options)
        : OnTransport(std::move(transport)),
          plan_(std::move(plan)),
          gather_(comm::plan_all_gather(size(), size())),
          codec_(std::move(codec)),
          executor_(this->transport(), options),
          name_(text(plan_.scheme, " with ", codec_->name())) {}

    std::string_view name() const override { return name_; }
    bool canonical() const override { return false; }
    bool exact() const override { return false; }
    int partials() const override { return plan_.slots(rank()); }
    double kept_back() const override { return requests_ == 0 ? 0 : kept_back_ / static_cast<double>(requests_); }

    void reduce(const ReduceRequest& request, std::uint64_t sequence) override {
        const comm::OperationTag tag = tag_of(request, sequence);
        if (request.exact || request.dtype != DType::float32)
            return executor_.run(plan_, request.partials, request.count, request.dtype, tag);

        auto* const sum = reinterpret_cast<float*>(request.partials[0]);
        const std::span<float> sums(sum, request.count);
        std::vector<float>& values = values_of(request);
        const std::size_t bytes = codec_->message_bytes(request.count);
        const std::size_t all = bytes * static_cast<std::size_t>(size());
        if (messages_.bytes() < all) messages_ = transport().allocate(all);
        encode(values, message_of(rank(), bytes));

        std::byte* const slot = messages_.data();
        executor_.run(gather_, {&slot, 1}, all / sizeof(float), DType::float32, tag);
        std::ranges::fill(sums, 0.0f);
        for (int from = 0; from < size(); ++from) codec_->add(message_of(from, bytes), sums);
    }

  private:
    std::span<std::byte> message_of(int from, std::size_t bytes) const {
        return {messages_.data() + static_cast<std::size_t>(from) * bytes, bytes};
    }

    /// What was kept back of this bucket, and what the request brings.
    std::vector<float>& values_of(const ReduceRequest& request) {
        std::vector<float>& values = kept_[request.bucket];
        if (values.size() != request.count) values.assign(request.count, 0.0f);
        auto* const bytes = reinterpret_cast<std::byte*>(values.data());
        for (int i = 0; i < plan_.inputs[static_cast<std::size_t>(rank())]; ++i)
            comm::add_elements(DType::float32, bytes, request.partials[static_cast<std::size_t>(i)], request.count);
        return values;
    }

    void encode(std::vector<float>& values, std::span<std::byte> message) {
        const double all = squares(values);
        codec_->encode(values, message);
        kept_back_ = kept_back_ + (all > 0 ? std::sqrt(squares(values) / all) : 0);
        ++requests_;
    }

    const comm::Plan plan_, gather_;
    const std::unique_ptr<Codec> codec_;
    comm::Executor executor_;
    const std::string name_;
    Memory<Cpu> messages_;                              // of all ranks
    std::map<std::uint32_t, std::vector<float>> kept_;  // by bucket
    std::atomic<double> kept_back_{0};
    std::atomic<std::uint64_t> requests_{0};
};

}  // namespace

std::unique_ptr<Codec> make_codec(const CodecOptions& options) {
    switch (options.type) {
        case CodecOptions::Type::none:
        case CodecOptions::Type::power_sgd:  // power_reducer.hpp
            return nullptr;
        case CodecOptions::Type::top_k:
            return make_top_k(options.density);
        case CodecOptions::Type::one_bit:
            return make_one_bit();
    }
    return nullptr;
}

std::unique_ptr<Reducer> make_coded_reducer(std::shared_ptr<comm::Transport> transport, comm::Plan plan,
                                            std::unique_ptr<Codec> codec, comm::ExecutorOptions options) {
    require_fit(transport, plan);
    if (codec == nullptr) throw UsageError("a coded reducer needs a codec; pass one, or use make_planned_reducer");
    return std::make_unique<BackgroundReducer>(
        std::make_unique<CodedReducer>(std::move(transport), std::move(plan), std::move(codec), options));
}

}  // namespace firecaffe
