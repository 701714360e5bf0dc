// SPDX-License-Identifier: Apache-2.0
// A picture of a net: a box per layer, with what is computed in place written into the box of the layer before, and the
// labels left out. A layer that only gives its bottom other names (Split) has no box.
//
//   const Drawing d = draw_net(spec, {.data = Shape{1, 3, 224, 224}}, registry);
//   write(to_svg(d));   // our own layout, complete; or write(to_dot(d)) for Graphviz
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firecaffe/analysis/costs.hpp"

namespace firecaffe {

struct DrawnPoint {
    double x = 0, y = 0;
};

/// What a box stands for, which decides its colour.
enum class BoxKind : std::uint8_t {
    input,
    convolution,
    inner_product,
    pooling,
    normalization,
    elementwise,
    join,
    judge,
    other
};

struct DrawnBox {
    BoxKind kind = BoxKind::other;
    std::vector<std::string> lines;  ///< the first is the layer's name
    DrawnPoint corner;               ///< upper left
    double width = 0, height = 0;
};

struct DrawnEdge {
    int from = 0, to = 0;  ///< boxes
    /// An odd number of points: from an even one to the next a straight line, from an odd one to the next a curve that
    /// is vertical at both ends.
    std::vector<DrawnPoint> route;
};

struct Drawing {
    std::string title;
    std::vector<DrawnBox> boxes;
    std::vector<DrawnEdge> edges;
    DrawnPoint size;
};

/// Shapes in the boxes are those of one image. Throws what building the net throws.
Drawing draw_net(const NetSpec& spec, const AnalysisOptions& options, const LayerRegistry<float, Cpu>& registry);

/// The picture as an SVG document.
std::string to_svg(const Drawing& drawing);
/// The graph as text for Graphviz, which then makes its own layout.
std::string to_dot(const Drawing& drawing);

/// "convolution", ...; for the legend.
const char* to_string(BoxKind kind);
/// Its colour as "#rrggbb".
const char* fill_colour(BoxKind kind);

}  // namespace firecaffe
