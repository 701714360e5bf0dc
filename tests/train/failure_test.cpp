// SPDX-License-Identifier: Apache-2.0
// What fails in one shard, thread or worker ends all of them soon, and the first cause is what is reported.
#include "catch.hpp"

#include <atomic>
#include <chrono>

#include "support/small_run.hpp"

using namespace firecaffe;
using Catch::Matchers::Contains;
using firecaffe::testing::small_run;

namespace {

using Environment = TrainEnvironment<float, Cpu>;

/// Hands its bottom on, and throws when the pass with this number, over all nets of all workers, has come.
class Bomb final : public Layer<float, Cpu> {
  public:
    Bomb(std::atomic<int>& fuse, std::function<void()> bang) : fuse_(fuse), bang_(std::move(bang)) {}
    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override { return {{bottoms[0]}, {}}; }
    bool backward_reads_bottoms() const override { return false; }
    bool backward_reads_tops() const override { return false; }
    void forward(const ForwardPass<float, Cpu>& pass) override {
        std::copy_n(pass.bottoms[0].data(), pass.bottoms[0].count(), pass.tops[0].data());
    }
    void backward(const BackwardPass<float, Cpu>& pass) override {
        if (--fuse_ == 0) bang_();
        std::copy_n(pass.top_diffs[0].data(), pass.top_diffs[0].count(), pass.bottom_diffs[0].data());
    }

  private:
    std::atomic<int>& fuse_;
    std::function<void()> bang_;
};

TrainOptions with_bomb(int threads) {
    TrainOptions o = small_run();
    LayerSpec bomb;
    bomb.name = "bomb";
    bomb.type = "Bomb";
    bomb.bottom = bomb.top = {"conv2"};
    bomb.options = CustomLayerOptions{};
    o.net.layers.insert(o.net.layers.begin() + 6, bomb);
    o.compute.threads = threads;
    o.reducer.stall_seconds = 20;
    return o;
}

void explode(const TrainOptions& options, int workers, int passes, std::function<void()> bang) {
    std::atomic<int> fuse{passes};
    Environment environment;
    environment.layers.add("Bomb", [&](const LayerSpec&) { return std::make_unique<Bomb>(fuse, bang); });
    train_in_threads<float, Cpu>(options, workers, environment);
}

}  // namespace

TEST_CASE("an error in a layer of one shard ends all threads and workers with its own message") {
    const auto start = std::chrono::steady_clock::now();
    for (const int workers : {1, 2, 3, 5}) {
        for (const int threads : {1, 2, 3}) {
            for (const int passes : {1, 2, 7, 30}) {
                INFO(workers << " workers, " << threads << " threads, at pass " << passes);
                CHECK_THROWS_WITH(explode(with_bomb(threads), workers, passes, [] { throw DataError("bang"); }),
                                  "layer 'bomb': bang");
            }
        }
    }
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

TEST_CASE("what is not one of our exceptions ends all workers, too") {
    CHECK_THROWS_WITH(explode(with_bomb(2), 2, 9, [] { throw std::length_error("theirs"); }), "theirs");
    CHECK_THROWS_AS(explode(with_bomb(1), 3, 9, [] { throw 42; }), int);
}

TEST_CASE("an error in the data, a listener or a stop function of one worker reaches all") {
    Environment environment;
    struct Listener : TrainListener {
        void on_step(const StepReport&) override { throw IoError("no paper"); }
    } listener;
    environment.listeners = {&listener};
    CHECK_THROWS_WITH((train_in_threads<float, Cpu>(small_run(), 3, environment)), "no paper");

    environment = {};
    std::atomic<int> asked{0};
    environment.stop_requested = [&]() -> bool {
        if (++asked == 8) throw InternalError("cannot say");
        return false;
    };
    CHECK_THROWS_WITH((train_in_threads<float, Cpu>(small_run(), 3, environment)), "cannot say");
}

TEST_CASE("a worker that cannot even be built ends the others at once") {
    const auto start = std::chrono::steady_clock::now();
    std::atomic<int> made{0};
    Environment environment;
    environment.reducers.add(
        "moody", [&](const ReducerOptions& options, std::shared_ptr<comm::Transport> transport, int shards) {
            if (transport->rank() == 1) throw UnavailableError("not today");
            ++made;
            ReducerOptions plain = options;
            plain.type = "tree";
            return ReducerRegistry().make(plain, std::move(transport), shards);
        });
    TrainOptions options = small_run();
    options.reducer.type = "moody";
    CHECK_THROWS_WITH((train_in_threads<float, Cpu>(options, 3, environment)), "not today");
    CHECK(made == 2);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));  // stall_seconds is 120
}

TEST_CASE("a loss that is not finite ends the run with what to do") {
    TrainOptions options = small_run();
    options.solver.base_lr = 1e30;
    for (const int workers : {1, 3})
        CHECK_THROWS_WITH((train_in_threads<float, Cpu>(options, workers)),
                          Contains("diverged") && Contains("iteration") && Contains("base_lr"));
}

TEST_CASE("options that cannot be meant are refused with value and cure") {
    const auto refused = [](auto&& change, const char* what) {
        TrainOptions options = small_run();
        change(options);
        CHECK_THROWS_WITH((Trainer<float, Cpu>(options, {})), Contains(what));
    };
    refused([](TrainOptions& o) { o.solver.max_iter = -1; }, "max_iter is -1");
    refused([](TrainOptions& o) { o.solver.global_batch = 0; }, "global_batch is 0");
    refused([](TrainOptions& o) { o.solver.shards = 5; }, "32 cannot be cut into 5");
    refused([](TrainOptions& o) { o.solver.test_batch = 0; }, "test_batch is 0");
    refused([](TrainOptions& o) { o.compute.threads = 0; }, "threads is 0");
    refused([](TrainOptions& o) { o.reducer.bucket_mb = 0; }, "bucket_mb is 0");
    refused([](TrainOptions& o) { o.compute.device = DeviceKind::cuda; }, "'cuda'");
    refused([](TrainOptions& o) { o.net.layers.pop_back(); }, "no loss");
    refused([](TrainOptions& o) { o.net.layers[0].type = "Konvolution"; }, "layer 'conv1': unknown type 'Konvolution'");
    refused([](TrainOptions& o) { o.data.train.count = 0; }, "");
    refused([](TrainOptions& o) { o.solver.lr_policy.type = LrPolicyOptions::Type::step; }, "stepsize");
    CHECK_THROWS_AS((train_in_threads<float, Cpu>(small_run(), 0)), UsageError);
}
