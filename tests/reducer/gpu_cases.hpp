// SPDX-License-Identifier: Apache-2.0
// What is tested alike on a GPU that is pretended and on a real one; ranks are threads.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "comm/ranks.hpp"
#include "firecaffe/reducer/scheme.hpp"
#include "firecaffe/reducer/tree.hpp"
#include "reducer/gpu_sums.hpp"
#include "reducer/on_gpu.hpp"
#include "reducer/pretended_gpu.hpp"

namespace firecaffe::testing {

// A rank's transport, as if `ranks_per_host` neighbouring ranks shared a host. Whatever a rank says, its GPU, if that
// is a pretended one, must be done with what it says.
class OnHosts final : public comm::Transport {
  public:
    OnHosts(std::shared_ptr<comm::Transport> inner, int ranks_per_host)
        : inner_(std::move(inner)), ranks_per_host_(ranks_per_host) {}
    void watch(const comm::DeviceMemory& gpu) { gpu_ = dynamic_cast<const PretendedGpu*>(&gpu); }
    comm::Rank rank() const override { return inner_->rank(); }
    int size() const override { return inner_->size(); }
    comm::PeerInfo peer(comm::Rank rank) const override {
        comm::PeerInfo info = inner_->peer(rank);
        info.host = text("host", rank / ranks_per_host_);
        return info;
    }
    std::unique_ptr<comm::Transfer> post_send(comm::Rank to, const comm::OperationTag& tag,
                                              std::span<const std::byte> bytes) override {
        if (gpu_ != nullptr && !gpu_->idle()) throw InternalError("a note leaves before the work that it speaks of");
        return inner_->post_send(to, tag, bytes);
    }
    std::unique_ptr<comm::Transfer> post_receive(comm::Rank from, const comm::OperationTag& tag,
                                                 std::span<std::byte> bytes) override {
        return inner_->post_receive(from, tag, bytes);
    }
    void wait(comm::Transfer& transfer) override { inner_->wait(transfer); }
    void abort(const std::string& reason) noexcept override { inner_->abort(reason); }
    void note_progress() noexcept override { inner_->note_progress(); }
    void close() noexcept override { inner_->close(); }
    std::uint64_t bytes_sent() const override { return inner_->bytes_sent(); }

  private:
    std::shared_ptr<comm::Transport> inner_;
    const int ranks_per_host_;
    const PretendedGpu* gpu_ = nullptr;
};

struct Setting {
    ReducerOptions options{.type = "tree", .ranks_per_host = 2, .on_gpu = true};
    int ranks = 2, shards = 2;
    std::size_t count = 1000;
    int buckets = 1;
    int ranks_per_host = 1000;  // as the transport says
    int refusing = -1;          // the rank whose GPU shows nothing
};

inline std::unique_ptr<comm::DeviceMemory> gpu_of(const Setting& setting, int rank,
                                                  const std::shared_ptr<Mappings>& mappings) {
    if (mappings == nullptr) return comm::make_cuda_memory();
    return std::make_unique<PretendedGpu>(mappings, rank == setting.refusing ? "it is not allowed here" : "");
}

// What the scheme makes of it in the host's memory, on all ranks alike.
template <class T>
std::vector<T> sum_on_host(const ReducerOptions& options, int ranks, const std::vector<std::vector<T>>& data) {
    const int shards = static_cast<int>(data.size());
    std::vector<T> sum;
    const auto errors = run_ranks(ranks, 60, [&](int rank, std::shared_ptr<comm::Transport> transport) {
        SchemeRun run = *find_scheme(options, *transport, shards);
        const auto reducer = make_planned_reducer(std::move(transport), std::move(run.plan), run.executor);
        auto slots = make_slots(data, rank, ranks);
        reducer->wait(reducer->submit({.dtype = dtype_of<T>, .count = data[0].size(), .partials = pointers(slots)}));
        if (rank == 0) sum = slots[0];
        reducer->close();
    });
    for (const std::string& error : errors)
        if (!error.empty()) throw InternalError("on the host: ", error);
    return sum;
}

// What a reducer of this scheme must make of it. Only some schemes add as the canonical tree does, and for some only
// with few ranks: double_tree does with two and not with four.
template <class T>
std::vector<T> expected_sum(const ReducerOptions& options, const Reducer& reducer,
                            const std::vector<std::vector<T>>& data) {
    return reducer.canonical() ? comm::canonical_sum(data) : sum_on_host(options, reducer.size(), data);
}

// `mappings` null: on a real GPU. Returns what each rank says of the schemes.
template <class T>
std::vector<std::string> check(const Setting& setting, const std::shared_ptr<Mappings>& mappings) {
    CAPTURE(setting.options.type, setting.ranks, setting.shards, setting.count, setting.options.chunk_kb);
    const auto data = make_shards<T>(setting.shards, setting.count);
    const auto expected = sum_on_host(setting.options, setting.ranks, data);
    std::vector<std::string> words(static_cast<std::size_t>(setting.ranks));
    const auto errors = run_ranks(setting.ranks, 60, [&](int rank, std::shared_ptr<comm::Transport> inner) {
        auto transport = std::make_shared<OnHosts>(std::move(inner), setting.ranks_per_host);
        SchemeRun run = *find_scheme(setting.options, *transport, setting.shards);
        auto gpu = gpu_of(setting, rank, mappings);
        transport->watch(*gpu);
        const auto reducer = make_reducer_on_gpu(transport, std::move(run), setting.options.gpu, std::move(gpu));
        if (!reducer->on_gpu() || reducer->name() != setting.options.type) throw InternalError("it is another one");
        if (reducer->canonical() && !same_bits(expected, comm::canonical_sum(data)))
            throw InternalError(reducer->name(), " is not canonical");
        const auto slots = make_slots(data, rank, setting.ranks);
        for (int step = 0; step < 2; ++step)
            check_sums(mappings == nullptr ? Gpu::real : Gpu::pretended, *reducer, slots, expected, setting.buckets);
        words[static_cast<std::size_t>(rank)] = reducer->statistics().schemes;
        reducer->close();
    });
    for (const std::string& error : errors) REQUIRE(error == "");
    return words;
}

// All schemes and sharings. `mappings` null: on a real GPU.
inline void check_all(const std::shared_ptr<Mappings>& mappings, const std::vector<int>& ranks,
                      const std::vector<std::size_t>& counts) {
    for (const comm::Scheme& scheme : comm::schemes())
        for (const int p : ranks)
            for (const int v : std::set<int>{p, 3, 2 * p})
                for (const std::size_t count : counts) {
                    Setting setting{.ranks = p, .shards = v, .count = count};
                    setting.options.type = scheme.name;
                    setting.options.chunk_kb = count > 5000 ? 4 : 0;
                    check<float>(setting, mappings);
                    setting.ranks_per_host = 2;
                    setting.options.gpu = v == 3 ? GpuSharing::staged : GpuSharing::automatic;
                    check<double>(setting, mappings);
                }
}

// Each rank sums buckets 0..3; misbehave(rank, reducer, bucket) comes before bucket `bucket`.
inline std::vector<std::string> run_buckets(int ranks, double deadline, const std::shared_ptr<Mappings>& mappings,
                                            const std::function<void(int, Reducer&, int)>& misbehave) {
    const Setting setting{.ranks = ranks, .shards = ranks, .count = 20000};
    const auto data = make_shards<float>(ranks, setting.count);
    return run_ranks(ranks, deadline, [&](int rank, std::shared_ptr<comm::Transport> transport) {
        SchemeRun run = *find_scheme(setting.options, *transport, ranks);
        const auto reducer = make_reducer_on_gpu(std::move(transport), std::move(run), setting.options.gpu,
                                                 gpu_of(setting, rank, mappings));
        const GpuSlots<float> slots(mappings == nullptr ? Gpu::real : Gpu::pretended, *reducer,
                                    make_slots(data, rank, ranks), 4);
        for (int b = 0; b < 4; ++b) {
            misbehave(rank, *reducer, b);
            reducer->wait(reducer->submit({.bucket = static_cast<std::uint32_t>(b),
                                           .step = 77,
                                           .count = setting.count,
                                           .partials = slots.of(b)}));
        }
        reducer->close();
    });
}

inline void check_lost_rank(const std::shared_ptr<Mappings>& mappings) {
    const auto start = std::chrono::steady_clock::now();
    const auto errors = run_buckets(4, 20, mappings, [](int rank, Reducer&, int bucket) {
        if (rank == 2 && bucket == 2) throw TrainingError("the loss is NaN");
    });
    CHECK(errors[2] == "the loss is NaN");
    for (const int rank : {0, 1, 3}) {
        INFO(errors[static_cast<std::size_t>(rank)]);
        CHECK(contains(errors[static_cast<std::size_t>(rank)], "rank 2 (host localhost, pid "));
        CHECK(contains(errors[static_cast<std::size_t>(rank)], "of step 77"));
    }
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}

}  // namespace firecaffe::testing
