// SPDX-License-Identifier: Apache-2.0
// Between a run's memory and the arrays of a checkpoint.
#pragma once

#include <string>
#include <vector>

#include "firecaffe/model_io/checkpoint.hpp"
#include "firecaffe/model_io/safetensors.hpp"
#include "firecaffe/optim/optimizer.hpp"
#include "firecaffe/tensor/arena.hpp"
#include "firecaffe/tensor/host_view.hpp"

namespace firecaffe {

/// Memory that is saved and restored under a name.
struct SavedArray {
    std::string name;
    DType dtype = DType::float32;
    Shape shape;
    std::span<std::byte> data;
};

/// One array per parameter, named as the parameter. `parameters` are on the host, as all values here.
template <class T>
std::vector<SavedArray> model_arrays(const ArenaLayout& layout, std::span<T> parameters);

/// The state of an optimizer on the host, for which the constructor waits.
template <class T, class Device>
class HostHistories {
  public:
    explicit HostHistories(Optimizer<T, Device>& optimizer) {
        for (const OptimizerState<T>& state : optimizer.state()) {
            names_.push_back(state.name);
            views_.emplace_back(state.values);
        }
    }
    std::vector<OptimizerState<T>> states() const {
        std::vector<OptimizerState<T>> states;
        for (std::size_t i = 0; i < views_.size(); ++i) states.push_back({names_[i], views_[i].values()});
        return states;
    }
    /// To be called after changes.
    void write_back() const {
        for (const auto& view : views_) view.write_back();
    }

  private:
    std::vector<std::string> names_;
    std::vector<HostView<T, Device>> views_;
};

/// One array per parameter and state, named "<parameter>.<state>".
template <class T>
std::vector<SavedArray> solver_arrays(const ArenaLayout& layout, const std::vector<OptimizerState<T>>& states);

/// The same arrays, to be written to a file.
std::vector<NamedArray> to_named(const std::vector<SavedArray>& arrays);

/// Copies arrays of the same names, shapes and types from a file. `source`, the file, and `owner`, what it may belong
/// to if it does not fit ("another net"), are for messages. Throws DataError for an array that is missing, left over,
/// or of another shape or type; then nothing is copied.
void restore_arrays(const std::vector<SavedArray>& into, const SafetensorsFile& from, const std::string& source,
                    const char* owner = "another net");

/// Throws TrainingError naming the parameter, if a value is not finite: such a state is never saved.
template <class T>
void require_finite(const ArenaLayout& layout, std::span<const T> parameters, std::int64_t iteration);

}  // namespace firecaffe
