// SPDX-License-Identifier: Apache-2.0
// Net<T, Device>: a graph of layers with shapes, layouts and memory fixed once, when it is built.
//
//   Net<float, Cpu> net(spec, {.data = Shape{64, 1, 28, 28}}, LayerRegistry<float, Cpu>::with_builtin());
//   Arena<float, Cpu> parameters(net.layout()), gradients(net.layout());
//   net.initialize(parameters, seed);
//   net.bind(parameters);
//   ... fill net.data() and net.labels() ...
//   net.forward(key);  net.backward(key, gradients);
//
// Several nets may be bound to one arena of parameters (one per thread, or one for training and one for testing).
// A net is used by one thread at a time. After construction nothing allocates. With NetOptions::allocate = false a net
// of any size is planned on any machine: it answers what layout(), summary() and activation_bytes() ask.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firecaffe/layers/registry.hpp"
#include "firecaffe/net/spec.hpp"
#include "firecaffe/tensor/arena.hpp"
#include "firecaffe/tensor/gradient_listener.hpp"

namespace firecaffe {

struct NetOptions {
    Shape data;  ///< batch x C x H x W of the blob "data"
    Phase phase = Phase::train;
    std::vector<std::string> retain{};    ///< blobs that can be read by blob() after forward
    const ArenaLayout* layout = nullptr;  ///< parameters of another net to share; null: a layout of its own
    bool allocate = true;                 ///< false: shapes and plans only; such a net cannot run
    /// Layers that read one blob may run as one (Layer::adopt): 1 x 1 convolutions do. Empty: on a GPU they may. Sums
    /// are rounded in other places then; parameters, their names and their places stay.
    std::optional<bool> merge_siblings{};
    /// What a Concat joins may be written in its place and read there, where layers can do so (Layer::take_slice):
    /// convolutions on a GPU can. The bits are the same.
    bool join_in_place = true;
};

/// What the net knows about one of its layers, for reports.
struct LayerSummary {
    std::string name, type;
    std::vector<TensorSpec> bottoms, tops;
    std::size_t parameter_count = 0;  ///< learned values; shared ones count for the first of their layers
    std::vector<Shape> parameters{};
    std::vector<bool> first_use{};   ///< per parameter: no layer before has it too
    std::vector<bool> measured{};    ///< per parameter: a statistic, which is not learned
    int number = -1;                 ///< position in NetSpec::layers; -1: a copy to plain layout that the net inserted
    bool absorbed = false;           ///< the layer before computes its forward pass
    bool absorbed_backward = false;  ///< and its backward pass
    int run_by = -1;                 ///< number of the layer that runs this one with itself (Layer::adopt); -1: none
    bool runs_backward = false;
    std::vector<bool> gradients{};  ///< per bottom: backward writes its gradient
    std::vector<bool> in_place{};   ///< per bottom: it is a slice of the layer's top (NetOptions::join_in_place)
    bool backward_reads_bottoms = false, backward_reads_tops = false;
};

/// In the library for float and double on Cpu; float, bfloat16 and float16 on Cuda.
template <class T, class Device>
class Net {
  public:
    /// Throws ConfigError or ShapeError, with the layer's name, for anything that does not fit.
    Net(const NetSpec& spec, const NetOptions& options, const LayerRegistry<T, Device>& registry);
    ~Net();
    Net(const Net&) = delete;
    Net& operator=(const Net&) = delete;

    const ArenaLayout& layout() const;
    std::int64_t batch() const;
    /// Throws ConfigError if nothing in this phase has a loss weight: then there is nothing to learn from.
    void require_loss() const;
    std::vector<LayerSummary> summary() const;
    /// Bytes of activations and their gradients, as planned and as they would be without sharing.
    std::size_t activation_bytes() const;
    std::size_t unshared_activation_bytes() const;

    /// Draws the initial values of all parameters; a function of seed and parameter names. A shared one is drawn as the
    /// first of its layers says.
    void initialize(Arena<Master<T>, Device>& parameters, std::uint64_t seed) const;
    /// From now on the net reads these parameters; the arena must stay where it is. Calls parameters_changed(). Throws
    /// UsageError if the net was built without memory.
    void bind(const Arena<Master<T>, Device>& parameters);
    /// To be called after every update of the parameters, by the thread that uses the net.
    void parameters_changed();

    /// The net's inputs, plain, on the device; labels are class numbers as Master<T>. To be filled before forward.
    /// Without memory these views have no data.
    TensorView<T, Device> data();
    TensorView<Master<T>, Device> labels();
    /// True if a layer reads indices in data(): then its elements are of type Master<T>, to be written by exact_view.
    bool has_exact_data() const;

    /// Runs all layers; returns the weighted sum of all losses (0 for a net without one), as loss() does.
    double forward(const PassKey& key, GradientListener* listener = nullptr);
    /// The same without asking for the loss: on a GPU the work is queued on the current stream, and nothing waits.
    void run_forward(const PassKey& key, GradientListener* listener = nullptr);
    /// Writes the weighted sum of all losses of the last forward pass to a place on the device, as an op does.
    void write_loss(Master<T>* place);
    /// The weighted sum of all losses of the last forward pass. Waits for a GPU, and throws what the pass found there
    /// and could not throw (Layer::check_last_pass), such as a label that is no class.
    double loss();
    /// The gradients of backward() are those of the loss times *scale, a number on the device that is read now, as an
    /// op does: queued on the current stream. Until then, of the loss itself.
    void scale_gradients(const Master<T>* scale);
    /// After forward with the same key: writes every parameter's gradient into `gradients`, whose layout must be
    /// layout(). Calls the listener as the prefix grows; on a GPU what it is told of has been queued. `factors`: one
    /// place per parameter of layout(), of which those that are not null get the factors of a gradient beside it,
    /// before the prefix that holds it is ready; or none at all.
    void backward(const PassKey& key, Arena<Master<T>, Device>& gradients, GradientListener* listener = nullptr,
                  std::span<const FactorPlace<Master<T>>> factors = {});
    /// The gradients that backward() can also give as factors, in the order of layout(). That of a parameter which
    /// several layers share is none of them: it is a sum over these layers. May allocate; what it returns may outlive
    /// the net.
    std::vector<GradientFactors<Master<T>>> gradient_factors() const;

    /// A retained blob in plain layout, valid until the next forward. Throws UsageError for a blob not retained. That
    /// of labels, of a loss or of an accuracy is to be read by exact_view.
    TensorView<const T, Device> blob(std::string_view name) const;

    struct State;  ///< defined in src/net

  private:
    std::unique_ptr<State> state_;
};

/// Name of the blob of class scores that the net's last loss on them (SoftmaxWithLoss, InfogainLoss, HingeLoss) reads,
/// or that a later Softmax writes, in this phase; empty if there is none. LayerFacts::scores_classes says what counts.
std::string score_blob(const NetSpec& spec, Phase phase);

}  // namespace firecaffe
