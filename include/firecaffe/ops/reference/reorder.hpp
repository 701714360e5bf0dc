// SPDX-License-Identifier: Apache-2.0
// Copying between layouts, element by element: the meaning of each layout in one place (indexing.hpp).
#pragma once

#include "firecaffe/ops/ops.hpp"
#include "firecaffe/ops/reference/indexing.hpp"
#include "firecaffe/ops/shapes.hpp"

namespace firecaffe::ops::reference {

/// Any layout to any layout. Padding channels of the target become zeros; those of the source are not read. The two
/// tensors must not overlap.
template <class T>
class ReferenceReorder : public Reorder<T, Cpu> {
  public:
    /// Throws ShapeError when the shapes differ.
    ReferenceReorder(const TensorSpec& from, const TensorSpec& to) : from_(from), to_(to) {
        require_reorderable(from, to);
    }

    void run(TensorView<const T, Cpu> from, TensorView<T, Cpu> to) override {
        require_spec("reorder", "source", from.spec(), from_);
        require_spec("reorder", "target", to.spec(), to_);
        const ElementIndex source(from_), target(to_);
        for (std::int64_t n = 0; n < from_.shape[0]; ++n)
            for (std::int64_t c = 0; c < target.channels(); ++c)
                for (std::int64_t s = 0; s < target.positions(); ++s)
                    to.data()[target(n, c, s)] = c < from_.shape[1] ? from.data()[source(n, c, s)] : T(0);
    }

  private:
    TensorSpec from_, to_;
};

}  // namespace firecaffe::ops::reference
