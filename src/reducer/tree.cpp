// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/reducer/tree.hpp"

#include <string>
#include <utility>

#include "firecaffe/comm/collective/tree.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/background.hpp"

namespace firecaffe {
namespace {

class PlannedReducer final : public BlockingReducer {
  public:
    PlannedReducer(std::shared_ptr<comm::Transport> transport, comm::Plan plan, comm::ExecutorOptions options,
                   comm::WireType wire)
        : transport_(std::move(transport)), plan_(std::move(plan)), executor_(*transport_, options), wire_(wire) {}

    std::string_view name() const override { return plan_.scheme; }
    int rank() const override { return transport_->rank(); }
    int size() const override { return transport_->size(); }
    bool canonical() const override { return plan_.canonical && exact(); }
    bool exact() const override { return wire_ == comm::WireType::same; }
    int partials() const override { return plan_.slots(rank()); }

    void reduce(const ReduceRequest& request, std::uint64_t sequence) override {
        const comm::WireType wire = request.exact ? comm::WireType::same : wire_;
        executor_.run(plan_, request.partials, request.count, comm::types_on_wire(request.dtype, wire),
                      {.sequence = sequence, .bucket = request.bucket, .step = request.step});
    }

    Memory<Cpu> allocate(std::size_t bytes) override { return transport_->allocate(bytes); }
    void note_progress() noexcept override { transport_->note_progress(); }
    void abort(std::string_view reason) noexcept override {
        try {
            transport_->abort(std::string(reason));
        } catch (...) {  // no memory for the reason: it is the event that matters
            transport_->abort({});
        }
    }
    void close() noexcept override { transport_->close(); }
    std::uint64_t bytes_sent() const override { return transport_->bytes_sent(); }

  private:
    std::shared_ptr<comm::Transport> transport_;
    comm::Plan plan_;
    comm::Executor executor_;
    const comm::WireType wire_;
};

void require(const std::shared_ptr<comm::Transport>& transport) {
    if (transport == nullptr)
        throw UsageError("a reducer that runs a plan needs a transport; pass one, or use 'local'");
}

}  // namespace

std::unique_ptr<Reducer> make_planned_reducer(std::shared_ptr<comm::Transport> transport, comm::Plan plan,
                                              comm::ExecutorOptions options, comm::WireType wire) {
    require(transport);
    if (plan.ranks != transport->size()) {
        throw UsageError("a plan '", plan.scheme, "' for ", plan.ranks, " ranks, but the transport has ",
                         transport->size(), "; plan for the transport's size()");
    }
    return std::make_unique<BackgroundReducer>(
        std::make_unique<PlannedReducer>(std::move(transport), std::move(plan), options, wire));
}

std::unique_ptr<Reducer> make_tree_reducer(std::shared_ptr<comm::Transport> transport, int shards) {
    require(transport);
    comm::Plan plan = comm::plan_tree(transport->size(), shards);
    return make_planned_reducer(std::move(transport), std::move(plan), {.chunk_bytes = comm::kWholeRequest});
}

}  // namespace firecaffe
