// SPDX-License-Identifier: Apache-2.0
// GradientListener: how the backward pass tells somebody that gradients are ready. It lies here, below `net` and
// `sync`, so that neither has to know the other.
#pragma once

#include <cstddef>

namespace firecaffe {

class GradientListener {
  public:
    virtual ~GradientListener() = default;
    /// Elements [0, prefix) of the gradient arena are final; prefix grows from call to call, and ends at the size of
    /// the layout.
    virtual void gradients_ready(std::size_t prefix) = 0;
    /// Called after each layer of either pass; cheap. For watchdogs.
    virtual void layer_done() {}
};

}  // namespace firecaffe
