// SPDX-License-Identifier: Apache-2.0
// Which values need no memory of their own, because their producer writes them where a layer would join them.
#include "device/instances.hpp"
#include "net/net_state.hpp"

namespace firecaffe {

namespace {

template <class T, class Device>
class SlicePlacer {
  public:
    using State = typename Net<T, Device>::State;
    using Node = NetNode<T, Device>;
    explicit SlicePlacer(State& state) : state_(state) {}

    void run() {
        for (const Node& n : state_.nodes)
            if (state_.options.join_in_place && n.layer->joins_channels()) place_bottoms(n);
        for (Node& n : state_.nodes) n.absorbed_backward = n.absorbed && writer_of(n.tops[0]).layer->absorbs_backward();
    }

  private:
    /// A slice begins where packs of a GPU do.
    static constexpr std::int64_t kSliceBytes = 16;

    NetValue& value(int index) { return state_.values[static_cast<std::size_t>(index)]; }
    Node& node(int index) { return state_.nodes[static_cast<std::size_t>(index)]; }

    /// The node whose forward pass writes the value.
    Node& writer_of(int index) {
        Node& producer = node(value(index).producer);
        return producer.absorbed ? writer_of(producer.bottoms[0]) : producer;
    }
    static bool starts_a_pack(std::int64_t channels) {
        return channels * static_cast<std::int64_t>(sizeof(T)) % kSliceBytes == 0;
    }

    void place_bottoms(const Node& join) {
        const int top = join.tops[0];
        const TensorSpec& spec = value(top).spec;
        if (spec.layout != Layout::channels_last() || !starts_a_pack(spec.shape[1])) return;
        std::int64_t first = 0;
        for (const int bottom : join.bottoms) {
            if (starts_a_pack(first) && can_be_slice(bottom, join)) place(bottom, top, first);
            first += value(bottom).spec.shape[1];
        }
    }

    /// Nobody else may read a slice: not another layer, nor the net. And where its writer runs backward only for the
    /// sake of others, nobody writes its gradient into the whole one.
    bool can_be_slice(int index, const Node& join) {
        const NetValue& v = value(index);
        if (v.producer < 0 || v.retained || v.is_loss || v.exact || v.consumers.size() != 1 ||
            v.spec.layout != Layout::channels_last() || node(v.producer).tops.size() != 1)
            return false;
        return join.runs_backward || !writer_of(index).runs_backward;
    }

    /// With what lies between an absorbed layer and the one that has absorbed it, which have one memory.
    void place(int index, int whole, std::int64_t first) {
        Node& writer = writer_of(index);
        if (!writer.layer->take_slice(value(whole).spec.shape[1])) return;
        Node& runner = writer.leader >= 0 ? node(writer.leader) : writer;
        if (!runner.scratch) runner.scratch = value(writer.tops[0]).spec;
        for (int v = index;; v = node(value(v).producer).bottoms[0]) {
            value(v).slice_of = whole;
            value(v).slice_first = first;
            if (!node(value(v).producer).absorbed) break;
        }
    }

    State& state_;
};

}  // namespace

template <class T, class Device>
void place_slices(typename Net<T, Device>::State& state) {
    SlicePlacer<T, Device>(state).run();
}

#define FIRECAFFE_INSTANTIATE(T, Device) template void place_slices<T, Device>(Net<T, Device>::State&);
FIRECAFFE_FOR_EACH_NET(FIRECAFFE_INSTANTIATE)

}  // namespace firecaffe
