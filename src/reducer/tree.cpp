// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/reducer/tree.hpp"

#include <utility>

#include "firecaffe/comm/collective/tree.hpp"
#include "reducer/gatherer.hpp"
#include "reducer/on_transport.hpp"

namespace firecaffe {
namespace {

class PlannedReducer final : public OnTransport {
  public:
    PlannedReducer(std::shared_ptr<comm::Transport> transport, comm::Plan plan, comm::ExecutorOptions options,
                   comm::WireType wire)
        : OnTransport(std::move(transport)),
          plan_(std::move(plan)),
          executor_(this->transport(), options),
          gatherer_(this->transport()),
          wire_(wire) {}

    std::string_view name() const override { return plan_.scheme; }
    bool canonical() const override { return plan_.canonical && exact(); }
    bool exact() const override { return wire_ == comm::WireType::same; }
    bool gathers() const override { return true; }
    int partials() const override { return plan_.slots(rank()); }

    void reduce(const ReduceRequest& request, std::uint64_t sequence) override {
        if (request.gathered_shards != 0) return gatherer_.run(request, sequence);
        const comm::WireType wire = request.exact ? comm::WireType::same : wire_;
        executor_.run(plan_, request.partials, request.count, comm::types_on_wire(request.dtype, wire),
                      tag_of(request, sequence));
    }

  private:
    const comm::Plan plan_;
    comm::Executor executor_;
    Gatherer gatherer_;
    const comm::WireType wire_;
};

}  // namespace

std::unique_ptr<Reducer> make_planned_reducer(std::shared_ptr<comm::Transport> transport, comm::Plan plan,
                                              comm::ExecutorOptions options, comm::WireType wire) {
    require_fit(transport, plan);
    return std::make_unique<BackgroundReducer>(
        std::make_unique<PlannedReducer>(std::move(transport), std::move(plan), options, wire));
}

std::unique_ptr<Reducer> make_tree_reducer(std::shared_ptr<comm::Transport> transport, int shards) {
    comm::Plan plan = comm::plan_tree(transport == nullptr ? 1 : transport->size(), shards);
    return make_planned_reducer(std::move(transport), std::move(plan), {.chunk_bytes = comm::kWholeRequest});
}

}  // namespace firecaffe
