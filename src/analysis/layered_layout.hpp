// SPDX-License-Identifier: Apache-2.0
// Draws a directed graph without cycles in layers, from top to bottom (Sugiyama, Tagawa and Toda, "Methods for visual
// understanding of hierarchical system structures", 1981): ranks by the longest path, order within a rank by the mean
// of the neighbours, and x where the squared distances to the neighbours are least.
//
// A rank is a horizontal band; an edge that passes a rank has a lane of its own there. Between two bands it curves, and
// within one it is vertical. So boxes never overlap, and no edge crosses a box.
#pragma once

#include <cstddef>
#include <vector>

#include "firecaffe/analysis/drawing.hpp"

namespace firecaffe::analysis {

/// Fills in the positions of the boxes and the routes of the edges, and returns the size of the whole. Boxes are given
/// in such an order that each edge leads from a lower to a higher number.
DrawnPoint lay_out(std::vector<DrawnBox>& boxes, std::vector<DrawnEdge>& edges);

}  // namespace firecaffe::analysis
