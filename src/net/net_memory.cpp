// SPDX-License-Identifier: Apache-2.0
// Second half of building a net: which values share a buffer, how long each buffer lives, and the views of the passes.
//
// Time of a step: layer i runs forward at tick i and backward at tick 2L-1-i, L being the number of layers.
#include <algorithm>
#include <set>

#include "device/instances.hpp"
#include "net/net_state.hpp"

namespace firecaffe {

namespace {

template <class T, class Device>
class MemoryPlacer {
  public:
    using State = typename Net<T, Device>::State;
    using Node = NetNode<T, Device>;
    using M = Master<T>;

    explicit MemoryPlacer(State& state) : state_(state), layers_(static_cast<int>(state.nodes.size())) {}

    void run() {
        assign_data_buffers();
        if (state_.options.phase == Phase::train) {
            assign_diff_buffers();
            assign_parameter_parts();
        }
        assign_scratch();
        state_.plan = plan_memory(lifetimes_);
        if (!state_.options.allocate) return;
        state_.memory = Memory<Device>(state_.plan.bytes);
        make_views();
    }

  private:
    NetValue& value(int index) { return state_.values[static_cast<std::size_t>(index)]; }
    Node& node(int index) { return state_.nodes[static_cast<std::size_t>(index)]; }
    /// When a node runs: that of a follower is its leader's.
    int forward_tick(int node_index) const {
        const int leader = state_.nodes[static_cast<std::size_t>(node_index)].leader;
        return leader >= 0 ? leader : node_index;
    }
    int backward_tick(int node_index) const { return 2 * layers_ - 1 - forward_tick(node_index); }

    static std::size_t element_bytes(const NetValue& v) { return v.exact ? sizeof(Master<T>) : sizeof(T); }
    int new_buffer(const NetValue& v, int first, int last) { return new_buffer(v.spec, first, last, element_bytes(v)); }
    int new_buffer(const TensorSpec& spec, int first, int last, std::size_t element_bytes) {
        lifetimes_.push_back({static_cast<std::size_t>(spec.storage()) * element_bytes, first, last});
        return static_cast<int>(lifetimes_.size()) - 1;
    }
    void extend(int buffer, int tick) {
        BufferLifetime& lifetime = lifetimes_[static_cast<std::size_t>(buffer)];
        lifetime.first = std::min(lifetime.first, tick);
        lifetime.last = std::max(lifetime.last, tick);
    }

    /// A layer may overwrite its bottom if it can, if nobody else reads that bottom, not even the net or the layer
    /// itself later on, and if the layer that wrote it does not need it any more. (The gradient of a loss is a constant
    /// that must not be overwritten either.)
    bool runs_in_place(const Node& n) {
        if (!n.layer->can_run_in_place() || n.bottoms.size() != 1 || n.tops.size() != 1) return false;
        if (n.runs_backward && n.layer->backward_reads_bottoms()) return false;
        const NetValue& bottom = value(n.bottoms[0]);
        const NetValue& top = value(n.tops[0]);
        if (bottom.producer < 0 || bottom.retained || bottom.is_loss || bottom.consumers.size() != 1) return false;
        if (top.is_loss || bottom.exact != top.exact || bottom.spec.layout != top.spec.layout ||
            bottom.spec.storage() != top.spec.storage())
            return false;
        if (n.absorbed_backward) return true;  // what the layer before reads again is what this one would write
        for (const NetValue& slice : state_.values)
            if (slice.slice_of == n.bottoms[0] && reads_top_again(slice)) return false;
        return !reads_top_again(bottom);
    }
    bool reads_top_again(const NetValue& v) {
        return node(v.producer).runs_backward && node(v.producer).layer->backward_reads_tops();
    }

    void assign_data_buffers() {
        for (int i = 0; i < static_cast<int>(state_.values.size()); ++i) {
            NetValue& v = value(i);
            const int begin = v.producer < 0 ? 0 : forward_tick(v.producer);
            if (v.slice_of >= 0) {
                NetValue& whole = value(v.slice_of);
                if (whole.data_buffer < 0) whole.data_buffer = new_buffer(whole, begin, begin);
                v.data_buffer = whole.data_buffer;
                extend(v.data_buffer, begin);
            } else if (v.data_buffer >= 0) {  // its slices have been placed
                extend(v.data_buffer, begin);
            } else if (v.producer >= 0 && runs_in_place(node(v.producer))) {
                v.data_buffer = value(node(v.producer).bottoms[0]).data_buffer;
            } else {
                if (v.producer >= 0 && node(v.producer).absorbed)
                    throw ConfigError(node(v.producer).place(), " was absorbed by the layer before it, but it cannot ",
                                      "run in place here; that layer's absorb() must refuse");
                v.data_buffer = new_buffer(v, begin, begin);
            }
            for (const int consumer : v.consumers) {
                extend(v.data_buffer, forward_tick(consumer));
                if (node(consumer).runs_backward && node(consumer).layer->backward_reads_bottoms())
                    extend(v.data_buffer, backward_tick(consumer));
            }
            if (v.producer >= 0 && node(v.producer).runs_backward && node(v.producer).layer->backward_reads_tops())
                extend(v.data_buffer, backward_tick(v.producer));
            if (v.retained || v.is_loss) extend(v.data_buffer, 2 * layers_);
            if (v.producer < 0) extend(v.data_buffer, -1);
        }
    }

    void assign_diff_buffers() {
        for (int i = layers_ - 1; i >= 0; --i) {
            Node& n = node(i);
            if (!n.runs_backward || n.leader >= 0) continue;
            state_.for_each_member(n, [&](const Node& member) {
                for (const int top : member.tops) assign_top_diff(i, top);
            });
            const bool in_place = runs_in_place(n);
            for (std::size_t b = 0; b < n.bottoms.size(); ++b) {
                if (!state_.writes_diff(n, b)) continue;
                NetValue& v = value(n.bottoms[b]);
                if (state_.is_in_place(n, n.bottoms[b])) {
                    v.diff_buffer = value(v.slice_of).diff_buffer;
                } else if (v.diff_buffer < 0) {
                    v.diff_buffer =
                        in_place ? value(n.tops[0]).diff_buffer : new_buffer(v, backward_tick(i), backward_tick(i));
                } else {
                    extend(v.diff_buffer, backward_tick(i));
                    additions_.push_back({i, b, new_buffer(v, backward_tick(i), backward_tick(i))});
                }
            }
        }
    }

    /// The readers of a top lie behind and have been dealt with.
    void assign_top_diff(int node_index, int top) {
        NetValue& v = value(top);
        if (v.diff_buffer >= 0) {
            extend(v.diff_buffer, backward_tick(node_index));
        } else if (v.is_loss) {
            v.diff_buffer = new_buffer(v, -1, 2 * layers_);
        } else {
            v.diff_buffer = new_buffer(v, backward_tick(node_index), backward_tick(node_index));
            cleared_.emplace_back(node_index, top);
        }
    }

    /// Of the layers that share a parameter, the first to run backward writes the gradient, and the others add to it.
    void assign_parameter_parts() {
        std::set<std::size_t> written;
        const auto assign = [&](int i) {
            const Node& n = node(i);
            for (std::size_t p = 0; n.runs_backward && p < n.parameters.size(); ++p)
                if (!written.insert(n.parameters[p].offset).second)
                    parameter_parts_.push_back({i, p,
                                                new_buffer({n.parameters[p].shape, {}}, backward_tick(i),
                                                           backward_tick(i), sizeof(Master<T>))});
        };
        for (int i = layers_ - 1; i >= 0; --i) {
            if (node(i).leader >= 0) continue;
            assign(i);
            for (const int follower : node(i).followers) assign(follower);
        }
    }

    void assign_scratch() {
        for (int i = 0; i < layers_; ++i) {
            const Node& n = node(i);
            if (!n.scratch) continue;
            const int forward = new_buffer(*n.scratch, i, i, sizeof(T)), tick = backward_tick(i);
            scratch_.push_back({i, forward, n.runs_backward ? new_buffer(*n.scratch, tick, tick, sizeof(T)) : forward});
        }
    }

    TensorView<T, Device> nothing(int index) { return {nullptr, value(index).spec}; }

    void make_views() {
        for (Node& n : state_.nodes) {
            n.parameter_parts.resize(n.parameters.size());
            if (n.leader >= 0) continue;
            std::size_t parameters = 0;
            for (const int bottom : n.bottoms)
                n.bottom_data.push_back(state_.is_in_place(n, bottom) ? nothing(bottom) : state_.data_view(bottom));
            state_.for_each_member(n, [&](const Node& member) {
                for (const int top : member.tops) add_top_views(n, top);
                parameters += member.parameters.size();
            });
            for (std::size_t b = 0; b < n.bottoms.size(); ++b) {
                const int bottom = n.bottoms[b];
                const bool writes = state_.writes_diff(n, b) && !state_.is_in_place(n, bottom);
                n.bottom_diffs.push_back(writes ? state_.diff_view(bottom) : nothing(bottom));
            }
            n.parameter_data.resize(parameters);
            n.parameter_diffs.resize(parameters);
        }
        for (NetValue& v : state_.values)
            if (v.is_loss)
                state_.losses.push_back({state_.template buffer_of<Master<T>>(v.data_buffer), v.loss_weight});
        for (const PendingAddition& a : parameter_parts_)
            node(a.node).parameter_parts[a.index] = state_.template buffer_of<Master<T>>(a.buffer);
        for (const Scratch& s : scratch_) {
            node(s.node).forward_scratch = {state_.buffer(s.forward), *node(s.node).scratch};
            node(s.node).backward_scratch = {state_.buffer(s.backward), *node(s.node).scratch};
        }
        for (const auto& [index, top] : cleared_) {
            const TensorView<T, Device> view = state_.diff_view(top);
            const std::size_t bytes = view.storage().size() * element_bytes(value(top));
            node(index).cleared_diffs.push_back({view.data(), bytes / sizeof(T)});
        }
        for (const PendingAddition& a : additions_) {
            Node& n = node(a.node);
            const TensorView<T, Device> part(state_.buffer(a.buffer), value(n.bottoms[a.index]).spec);
            n.additions.push_back({part, n.bottom_diffs[a.index]});
            n.bottom_diffs[a.index] = part;
        }
    }

    void add_top_views(Node& n, int top) {
        n.top_data.push_back(state_.data_view(top));
        n.top_data_read.push_back(state_.data_view(top));
        n.top_diffs.push_back(state_.diff_view(top));
        if (value(top).is_loss && n.runs_backward) {
            M* const gradient = state_.template buffer_of<M>(value(top).diff_buffer);
            ops::weighted_sum<M, Device>(value(top).loss_weight, {}, gradient);
            state_.loss_gradients.emplace_back(value(top).loss_weight, gradient);
        }
    }

    struct PendingAddition {
        int node;
        std::size_t index;  ///< of the bottom, or of the parameter
        int buffer;
    };

    struct Scratch {
        int node, forward, backward;  ///< and its buffers
    };

    State& state_;
    int layers_;
    std::vector<BufferLifetime> lifetimes_;
    std::vector<PendingAddition> additions_, parameter_parts_;
    std::vector<std::pair<int, int>> cleared_;
    std::vector<Scratch> scratch_;
};

}  // namespace

template <class T, class Device>
void place_memory(typename Net<T, Device>::State& state) {
    MemoryPlacer<T, Device>(state).run();
}

#define FIRECAFFE_INSTANTIATE(T, Device) template void place_memory<T, Device>(Net<T, Device>::State&);
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
