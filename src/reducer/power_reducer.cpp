// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/reducer/power_reducer.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "firecaffe/comm/collective/add.hpp"
#include "reducer/low_rank.hpp"
#include "reducer/on_transport.hpp"

namespace firecaffe {
namespace {

double squares(std::span<const float> values) {
    double sum = 0;
    for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
    return sum;
}

/// A matrix of a bucket, and where its factors lie in the messages.
struct Factored {
    MatrixPlace place;
    std::size_t rank = 0, p = 0, q = 0;  // columns; the first elements of P and of Q

    std::size_t p_count() const { return rank * place.rows; }
    std::size_t q_count() const { return rank * place.columns; }
};

/// Elements [begin, end) of a bucket that are sent as they are.
struct Plain {
    std::size_t begin = 0, end = 0;
};

/// What is known of a bucket from one request to the next.
struct BucketState {
    std::vector<float> kept;  // what was not said, and then also what a request brings
    std::vector<Factored> matrices;
    std::vector<Plain> rest;
    std::size_t rest_count = 0;
    Memory<Cpu> first, second;  // messages: P and the rest, Q
    std::size_t first_count = 0, second_count = 0;
    std::vector<float> q, own_q;  // to start from; this rank's part

    std::span<float> of(Memory<Cpu>& message, std::size_t at, std::size_t count) const {
        return {reinterpret_cast<float*>(message.data()) + at, count};
    }
    low_rank::Matrix matrix(const Factored& f, float* values) const {
        return {values + f.place.begin, f.place.rows, f.place.columns};
    }
};

class PowerReducer final : public OnTransport {
  public:
    PowerReducer(std::shared_ptr<comm::Transport> transport, comm::Plan plan, comm::Plan factors, std::size_t rank,
                 comm::ExecutorOptions options)
        : OnTransport(std::move(transport)),
          plan_(std::move(plan)),
          factors_(std::move(factors)),
          approximation_rank_(rank),
          executor_(this->transport(), options),
          name_(text(plan_.scheme, " with power_sgd")) {}

    std::string_view name() const override { return name_; }
    bool canonical() const override { return false; }
    bool exact() const override { return false; }
    int partials() const override { return plan_.slots(rank()); }
    double kept_back() const override { return requests_ == 0 ? 0 : kept_back_ / static_cast<double>(requests_); }

    void reduce(const ReduceRequest& request, std::uint64_t sequence) override {
        const comm::OperationTag tag = tag_of(request, sequence);
        if (request.exact || request.dtype != DType::float32)
            return executor_.run(plan_, request.partials, request.count, request.dtype, tag);
        BucketState& bucket = bucket_of(request);
        take_in(bucket, request);
        const double all = squares(bucket.kept);
        project(bucket);
        sum(bucket.first, bucket.first_count, tag);
        multiply_back(bucket);
        sum(bucket.second, bucket.second_count, tag);
        write_sums(bucket, reinterpret_cast<float*>(request.partials[0]));
        kept_back_ = kept_back_ + (all > 0 ? std::sqrt(squares(bucket.kept) / all) : 0);
        ++requests_;
    }

  private:
    void sum(Memory<Cpu>& message, std::size_t count, const comm::OperationTag& tag) {
        std::byte* const slot = message.data();
        if (count > 0) executor_.run(factors_, {&slot, 1}, count, DType::float32, tag);
    }

    BucketState& bucket_of(const ReduceRequest& request) {
        BucketState& bucket = buckets_[request.bucket];
        if (bucket.kept.size() == request.count) return bucket;
        bucket = {};
        bucket.kept.assign(request.count, 0.0f);
        std::size_t at = 0;
        for (const MatrixPlace& place : request.matrices) {
            const std::size_t columns = std::min({approximation_rank_, place.rows, place.columns});
            if (columns * (place.rows + place.columns) >= place.rows * place.columns) continue;
            Factored f{place, columns, bucket.first_count, bucket.second_count};
            bucket.first_count += f.p_count();
            bucket.second_count += f.q_count();
            if (at < place.begin) bucket.rest.push_back({at, place.begin});
            at = place.end();
            bucket.matrices.push_back(f);
        }
        if (at < request.count) bucket.rest.push_back({at, request.count});
        for (const Plain& plain : bucket.rest) bucket.rest_count += plain.end - plain.begin;
        bucket.first_count += bucket.rest_count;
        bucket.first = transport().allocate(bucket.first_count * sizeof(float));
        bucket.second = transport().allocate(bucket.second_count * sizeof(float));
        bucket.q.resize(bucket.second_count);
        bucket.own_q.resize(bucket.second_count);
        low_rank::fill_normal(bucket.q, request.bucket);
        return bucket;
    }

    void take_in(BucketState& bucket, const ReduceRequest& request) const {
        auto* const bytes = reinterpret_cast<std::byte*>(bucket.kept.data());
        for (int i = 0; i < plan_.inputs[static_cast<std::size_t>(rank())]; ++i)
            comm::add_elements(DType::float32, bytes, request.partials[static_cast<std::size_t>(i)], request.count);
    }

    /// The first message: M Q of each matrix, then the rest, of which nothing is kept.
    void project(BucketState& b) const {
        for (const Factored& f : b.matrices)
            low_rank::multiply(b.matrix(f, b.kept.data()), std::span(b.q).subspan(f.q, f.q_count()),
                               b.of(b.first, f.p, f.p_count()));
        float* to = b.of(b.first, b.first_count - b.rest_count, 0).data();
        for (const Plain& plain : b.rest) {
            to = std::copy(b.kept.data() + plain.begin, b.kept.data() + plain.end, to);
            std::fill(b.kept.data() + plain.begin, b.kept.data() + plain.end, 0.0f);
        }
    }

    /// The second: M^T P. And what P P^T does not say of M is kept.
    void multiply_back(BucketState& b) const {
        for (const Factored& f : b.matrices) {
            const std::span<float> p = b.of(b.first, f.p, f.p_count());
            const std::span<float> q = std::span(b.own_q).subspan(f.q, f.q_count());
            low_rank::orthonormalize(p, f.place.rows);
            low_rank::multiply_transposed(b.matrix(f, b.kept.data()), p, q);
            std::ranges::copy(q, b.of(b.second, f.q, f.q_count()).begin());
            low_rank::subtract_product(b.matrix(f, b.kept.data()), p, q);
        }
    }

    void write_sums(BucketState& b, float* sums) const {
        const float* from = b.of(b.first, b.first_count - b.rest_count, 0).data();
        for (const Plain& plain : b.rest) {
            std::copy_n(from, plain.end - plain.begin, sums + plain.begin);
            from += plain.end - plain.begin;
        }
        for (const Factored& f : b.matrices) {
            const std::span<float> q = b.of(b.second, f.q, f.q_count());
            low_rank::set_product(b.matrix(f, sums), b.of(b.first, f.p, f.p_count()), q);
            take_start(f, q, std::span(b.q).subspan(f.q, f.q_count()));
        }
    }

    /// Q is the next start, but for columns of zeros, from which nothing would ever come.
    static void take_start(const Factored& f, std::span<const float> q, std::span<float> start) {
        for (std::size_t first = 0; first < q.size(); first += f.place.columns) {
            const auto column = q.subspan(first, f.place.columns);
            if (squares(column) > 0) std::ranges::copy(column, start.begin() + static_cast<std::ptrdiff_t>(first));
        }
    }

    const comm::Plan plan_, factors_;
    const std::size_t approximation_rank_;
    comm::Executor executor_;
    const std::string name_;
    std::map<std::uint32_t, BucketState> buckets_;
    std::atomic<double> kept_back_{0};
    std::atomic<std::uint64_t> requests_{0};
};

}  // namespace

std::unique_ptr<Reducer> make_power_reducer(std::shared_ptr<comm::Transport> transport, comm::Plan plan,
                                            comm::Plan factors, std::int64_t rank, comm::ExecutorOptions options) {
    require_fit(transport, plan);
    require_fit(transport, factors);
    if (rank < 1) throw UsageError("power_sgd with factors of ", rank, " columns; give at least 1");
    for (const int inputs : factors.inputs)
        if (inputs != 1)
            throw UsageError("power_sgd: the plan for factors wants ", inputs, " partial sums of a rank, not 1");
    return std::make_unique<BackgroundReducer>(std::make_unique<PowerReducer>(
        std::move(transport), std::move(plan), std::move(factors), static_cast<std::size_t>(rank), options));
}

}  // namespace firecaffe
