// SPDX-License-Identifier: Apache-2.0
// What a training loop relies on: the same bits whatever else runs, and no allocation after the first step.
#include <omp.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "backend_cpu/allocations.hpp"
#include "backend_cpu/parity.hpp"
#include "catch.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {

/// Room for a tensor at a 64-byte boundary that is an odd number of cache lines away from the allocation's start.
class Shifted {
  public:
    Shifted(const TensorSpec& spec, int lines)
        : memory_(static_cast<std::size_t>(spec.storage()) * sizeof(float) + 64 * static_cast<std::size_t>(lines)),
          data_(reinterpret_cast<float*>(memory_.data() + 64 * lines)),
          spec_(spec) {}
    Shifted(const Floats& from, int lines) : Shifted(from.spec(), lines) { std::ranges::copy(from.storage(), data_); }
    TensorView<float, Cpu> view() { return {data_, spec_}; }
    std::vector<float> values() const { return {data_, data_ + spec_.storage()}; }

  private:
    Memory<Cpu> memory_;
    float* data_;
    TensorSpec spec_;
};

using Bits = std::vector<std::vector<float>>;

/// One step of each op with parameters, at addresses shifted by `lines`.
class Steps {
  public:
    explicit Steps(int lines) : lines_(lines) {
        add(make_convolution<float, Cpu>(conv(32, 5, 2), {{4, 1, 14, 14}, {}}), {{4, 1, 14, 14}, {}}, 32 * 25, 32);
        add(make_convolution<float, Cpu>(conv(48, 3, 1), {{4, 32, 9, 9}, Layout::blocked(16)}),
            {{4, 32, 9, 9}, Layout::blocked(16)}, 48 * 32 * 9, 48);
        add(make_convolution<float, Cpu>(conv(10, 1, 0), {{4, 48, 7, 7}, {}}), {{4, 48, 7, 7}, {}}, 480, 10);
        ConvolutionGeometry grouped = conv(20, 3, 1);
        grouped.group = 2;
        add(make_convolution<float, Cpu>(grouped, {{4, 10, 9, 9}, {}}), {{4, 10, 9, 9}, {}}, 20 * 5 * 9, 20);
        add(make_inner_product<float, Cpu>(30, true, {{20, 24, 3, 3}, {}}), {{20, 24, 3, 3}, {}}, 30 * 216, 30);
        add(make_inner_product<float, Cpu>(30, true, {{4, 24, 3, 3}, Layout::blocked(16)}),
            {{4, 24, 3, 3}, Layout::blocked(16)}, 30 * 216, 30);
        const TensorSpec image{{4, 20, 9, 10}, Layout::blocked(16)};
        x_ = std::make_unique<Shifted>(random_in(image, 1), lines);
        dx_ = std::make_unique<Shifted>(image, lines);
        for (const PoolMethod method : {PoolMethod::max, PoolMethod::average}) {
            pools_.push_back(make_pooling<float, Cpu>({method, 3, 3, 2, 2, 0, 0, RoundMode::ceil}, image));
            pooled_.emplace_back(pools_.back()->output(), lines);
            pooled_gradients_.emplace_back(random_in(pools_.back()->output(), 2), lines);
        }
        lrn_ = make_lrn<float, Cpu>({5, 1.0, 0.75, 1.0}, image);
        reorder_ = make_reorder<float, Cpu>(image, {image.shape, {}});
        plain_ = std::make_unique<Shifted>(TensorSpec{image.shape, {}}, lines);
        const TensorSpec joined[] = {plain_->view().spec(), image};
        concat_ = make_concat<float, Cpu>(joined);
        joined_ = std::make_unique<Shifted>(concat_->output(), lines);
    }

    void run() {
        for (auto& step : steps_) step();
        for (std::size_t i = 0; i < pools_.size(); ++i) {
            pools_[i]->forward(x_->view(), pooled_[i].view());
            pools_[i]->backward(pooled_gradients_[i].view(), dx_->view());
        }
        lrn_->forward(x_->view(), dx_->view());
        lrn_->backward(x_->view(), dx_->view(), x_->view(), dx_->view());
        reorder_->run(x_->view(), plain_->view());
        const TensorView<const float, Cpu> joined[] = {plain_->view(), x_->view()};
        const TensorView<float, Cpu> gradients[] = {plain_->view(), dx_->view()};
        concat_->forward(joined, joined_->view());
        concat_->backward(joined_->view(), gradients);
    }

    Bits results() const {
        Bits all = {dx_->values(), plain_->values(), joined_->values()};
        for (const auto& result : results_) all.push_back(result->values());
        for (const Shifted& y : pooled_) all.push_back(y.values());
        return all;
    }

  private:
    static ConvolutionGeometry conv(std::int64_t outputs, std::int64_t kernel, std::int64_t pad) {
        ConvolutionGeometry g;
        g.num_output = outputs;
        g.kernel_h = g.kernel_w = kernel;
        g.pad_h = g.pad_w = pad;
        return g;
    }

    Shifted* keep(const TensorSpec& spec) {
        results_.push_back(std::make_unique<Shifted>(spec, lines_));
        return results_.back().get();
    }

    template <class Op>
    void add(std::unique_ptr<Op> made, const TensorSpec& input, std::int64_t weights, std::int64_t biases) {
        const std::shared_ptr<Op> op = std::move(made);
        const auto x = std::make_shared<Shifted>(random_in(input, 1), lines_);
        const auto dy = std::make_shared<Shifted>(random_in(op->output(), 2), lines_);
        const auto w = std::make_shared<Shifted>(random_tensor<float>({weights}, 3), lines_);
        const auto b = std::make_shared<Shifted>(random_tensor<float>({biases}, 4), lines_);
        Shifted *y = keep(op->output()), *dx = keep(input), *dw = keep({{weights}, {}}), *db = keep({{biases}, {}});
        steps_.push_back([=] {
            op->set_parameters(w->view().data(), b->view().data());
            op->forward(x->view(), y->view());
            op->backward_data(dy->view(), dx->view());
            op->backward_parameters(x->view(), dy->view(), dw->view().data(), db->view().data());
        });
    }

    int lines_;
    std::vector<std::function<void()>> steps_;
    std::vector<std::unique_ptr<Shifted>> results_;
    std::unique_ptr<Shifted> x_, dx_, plain_, joined_;
    std::vector<std::unique_ptr<Pooling<float, Cpu>>> pools_;
    std::vector<Shifted> pooled_, pooled_gradients_;
    std::unique_ptr<Lrn<float, Cpu>> lrn_;
    std::unique_ptr<Reorder<float, Cpu>> reorder_;
    std::unique_ptr<Concat<float, Cpu>> concat_;
};

bool same_bits(const Bits& a, const Bits& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (a[i].size() != b[i].size() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0)
            return false;
    return true;
}

Bits run_once(int lines) {
    Steps steps(lines);
    steps.run();
    return steps.results();
}

}  // namespace

TEST_CASE("results depend neither on addresses, nor on repetition, nor on the threads of the process") {
    const Bits expected = run_once(0);
    CHECK(same_bits(run_once(1), expected));
    CHECK(same_bits(run_once(7), expected));
    Steps again(3);
    for (int i = 0; i < 3; ++i) again.run();
    CHECK(same_bits(again.results(), expected));

    Bits of_threads[2];
    std::thread threads[2];
    for (int t = 0; t < 2; ++t)
        threads[t] = std::thread([&of_threads, t] {
            Steps steps(t);
            for (int i = 0; i < 20; ++i) steps.run();
            of_threads[t] = steps.results();
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(same_bits(of_threads[0], expected));
    CHECK(same_bits(of_threads[1], expected));

    Bits changed = expected;
    changed.back().back() += 1.0f;
    CHECK_FALSE(same_bits(changed, expected));
}

TEST_CASE("an op uses one thread, and leaves the caller's OpenMP setting as it was") {
    const int before = omp_get_max_threads();
    omp_set_num_threads(1);
    const Bits expected = run_once(0);
    omp_set_num_threads(3);
    Steps steps(0);
    const auto threads_now = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}); };
    const auto threads = threads_now();
    steps.run();
    CHECK(threads_now() == threads);  // an OpenMP region of more than one thread would have started some
    CHECK(omp_get_max_threads() == 3);
    CHECK(same_bits(steps.results(), expected));
    omp_set_num_threads(before);
}

TEST_CASE("after the first step nothing of ours allocates") {
    Steps steps(0);
    steps.run();
    const Allocations counted = count_allocations([&] { steps.run(); });
    CHECK(counted.ours == 0);
    // oneDNN makes a small hash map of the arguments for each call: a node for each argument, and a table.
    CHECK(counted.library > 0);
    CHECK(counted.library < 300);
    CHECK(count_allocations([] { ::operator delete(::operator new(4)); }).ours == 1);
}
