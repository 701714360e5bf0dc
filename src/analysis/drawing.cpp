// SPDX-License-Identifier: Apache-2.0
// From a net to boxes and edges.
#include "firecaffe/analysis/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "analysis/box_style.hpp"
#include "analysis/layered_layout.hpp"
#include "firecaffe/layers/builtin/convolution.hpp"
#include "firecaffe/layers/builtin/pooling.hpp"
#include "firecaffe/net/graph.hpp"

namespace firecaffe {

namespace {

using analysis::kLineHeight;
using analysis::kPadding;

/// How a layer's options are told in its box.
struct Face {
    BoxKind kind = BoxKind::other;
    std::string details{};
};

template <class Geometry>
std::string window_text(const Geometry& g) {
    std::string out = fmt::format("{}x{}", g.kernel_h, g.kernel_w);
    if (g.stride_h != 1 || g.stride_w != 1)
        out +=
            g.stride_h == g.stride_w ? fmt::format(" /{}", g.stride_h) : fmt::format(" /{}x{}", g.stride_h, g.stride_w);
    if (g.pad_h != 0 || g.pad_w != 0)
        out += g.pad_h == g.pad_w ? fmt::format(" pad {}", g.pad_h) : fmt::format(" pad {}x{}", g.pad_h, g.pad_w);
    return out;
}

Face face_of(const ConvolutionOptions& o, const Shape&) {
    const std::string groups = o.group > 1 ? fmt::format(", {} groups", o.group) : "";
    return {BoxKind::convolution, window_text(convolution_geometry(o)) + groups};
}
Face face_of(const DeconvolutionOptions& o, const Shape& bottom) {
    const ConvolutionOptions& transposed = o;
    return face_of(transposed, bottom);
}
Face face_of(const InnerProductOptions&, const Shape&) {
    return {BoxKind::inner_product};
}
Face face_of(const PoolingOptions& o, const Shape& bottom) {
    const char* method = o.pool == ops::PoolMethod::max ? "max " : "mean ";
    return {BoxKind::pooling, method + (o.global_pooling ? "of all" : window_text(pooling_geometry(o, bottom)))};
}
Face face_of(const LrnOptions& o, const Shape&) {
    const std::string size = std::to_string(o.local_size);
    const bool across = o.norm_region == ops::NormRegion::across_channels;
    return {BoxKind::normalization, "over " + (across ? size : size + "x" + size)};
}
Face face_of(const BatchNormOptions&, const Shape&) {
    return {BoxKind::normalization};
}
Face face_of(const DropoutOptions& o, const Shape&) {
    return {BoxKind::elementwise, fmt::format("{}", o.dropout_ratio)};
}
Face face_of(const CustomLayerOptions&, const Shape&) {
    return {};
}
/// What has no line of its own is told apart by what it reads.
template <class Options>
Face face_of(const Options& o, const Shape&) {
    return {layer_facts(o).reads_labels ? BoxKind::judge : BoxKind::elementwise};
}

Face face(const LayerSpec& spec, const Shape& bottom) {
    Face told = std::visit([&](const auto& options) { return face_of(options, bottom); }, spec.options);
    const bool joins = spec.bottom.size() > 1 || spec.top.size() > 1;
    if (told.kind == BoxKind::elementwise && joins) told.kind = BoxKind::join;
    return told;
}

std::string with_commas(std::int64_t n) {
    std::string digits = std::to_string(n);
    for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
        digits.insert(static_cast<std::size_t>(i), 1, ',');
    return digits;
}

/// Of one image.
std::string shape_text(const Shape& shape) {
    if (shape.rank() < 2) return "one number";
    std::string out;
    for (const std::int64_t extent : shape.extents().subspan(1))
        out += (out.empty() ? "" : " x ") + std::to_string(extent);
    return out;
}

std::string type_and(const std::string& type, const std::string& details) {
    return details.empty() ? type : type + " " + details;
}

/// The width of a text in the fonts that the picture asks for, on the safe side; the first line is bold.
double text_width(const std::string& line, bool bold) {
    return static_cast<double>(line.size()) * (bold ? 8.3 : 7.1);
}

void fit(DrawnBox& box) {
    box.height = 2 * kPadding + kLineHeight * static_cast<double>(box.lines.size());
    box.width = 0;
    for (std::size_t i = 0; i < box.lines.size(); ++i)
        box.width = std::max(box.width, text_width(box.lines[i], i == 0) + 2 * kPadding);
}

class Artist {
  public:
    Artist(const NetSpec& spec, const Analysis& analysis) : analysis_(analysis) {
        const Graph graph = build_graph(spec, analysis.options.phase, {"data", "label"});
        boxes_of_values_.resize(graph.values.size(), -1);
        boxes_of_values_[0] = add({BoxKind::input, {"data", shape_text(analysis.options.data)}, {}});
        for (const LayerCost& cost : std::span(analysis.layers).subspan(1)) costs_[cost.name] = &cost;
        for (const GraphNode& node : graph.nodes) add_layer(graph, node);
        for (DrawnBox& box : drawing_.boxes) fit(box);
    }

    Drawing finish() {
        const double batch = static_cast<double>(std::max<std::int64_t>(analysis_.options.data[0], 1));
        drawing_.title = fmt::format("{} ({}): {} parameters, {:.4g} million multiply-adds per image", analysis_.net,
                                     phase_name(analysis_.options.phase), with_commas(analysis_.total.parameters),
                                     static_cast<double>(analysis_.total.work.macs) / batch / 1e6);
        drawing_.size = analysis::lay_out(drawing_.boxes, drawing_.edges);
        return std::move(drawing_);
    }

  private:
    int& box_of(int value) { return boxes_of_values_[static_cast<std::size_t>(value)]; }

    int add(DrawnBox box) {
        drawing_.boxes.push_back(std::move(box));
        return static_cast<int>(drawing_.boxes.size()) - 1;
    }

    void add_layer(const Graph& graph, const GraphNode& node) {
        const LayerSpec& spec = *node.spec;
        if (renames(node)) {
            for (const int top : node.tops) box_of(top) = box_of(node.bottoms[0]);
            return;
        }
        const LayerCost& cost = *costs_.at(spec.name);
        const Face told = face(spec, cost.bottoms.empty() ? Shape{} : cost.bottoms.front());
        if (in_place(graph, node)) {
            const int box = box_of(node.bottoms[0]);
            drawing_.boxes[static_cast<std::size_t>(box)].lines.push_back("+ " + type_and(spec.type, told.details));
            box_of(node.tops[0]) = box;
            return;
        }
        DrawnBox box{told.kind, {spec.name, type_and(spec.type, told.details)}, {}};
        if (!cost.tops.empty()) box.lines.push_back(shape_text(cost.tops.front()));
        if (cost.parameters > 0) box.lines.push_back(with_commas(cost.parameters) + " parameters");
        const int number = add(std::move(box));
        for (const int bottom : node.bottoms)
            if (box_of(bottom) >= 0) drawing_.edges.push_back({box_of(bottom), number, {}});
        for (const int top : node.tops) box_of(top) = number;
    }

    /// True of a layer that merely gives its bottom other names: it costs nothing, so it has no row.
    bool renames(const GraphNode& node) const { return costs_.find(node.spec->name) == costs_.end(); }

    /// How many layers read the value, also under other names.
    std::size_t readers(const Graph& graph, int value) const {
        std::size_t count = 0;
        for (const int consumer : graph.values[static_cast<std::size_t>(value)].consumers) {
            const GraphNode& node = graph.nodes[static_cast<std::size_t>(consumer)];
            count += renames(node) ? readers_of_tops(graph, node) : 1;
        }
        return count;
    }
    std::size_t readers_of_tops(const Graph& graph, const GraphNode& node) const {
        std::size_t count = 0;
        for (const int top : node.tops) count += readers(graph, top);
        return count;
    }

    /// The layer that computed the value, whatever its name has become; null for an input of the net.
    const GraphNode* writer(const Graph& graph, int value) const {
        for (;;) {
            const int producer = graph.values[static_cast<std::size_t>(value)].producer;
            if (producer < 0) return nullptr;
            const GraphNode& node = graph.nodes[static_cast<std::size_t>(producer)];
            if (!renames(node)) return &node;
            value = node.bottoms[0];
        }
    }

    /// True if the layer changes what only it reads of a box, so that it can be written into that box.
    bool in_place(const Graph& graph, const GraphNode& node) const {
        if (node.bottoms.size() != 1 || node.tops.size() != 1 || node.spec->bottom[0] != node.spec->top[0])
            return false;
        const GraphNode* before = writer(graph, node.bottoms[0]);
        return before != nullptr && readers_of_tops(graph, *before) == 1;
    }

    const Analysis& analysis_;
    Drawing drawing_;
    std::vector<int> boxes_of_values_;  ///< -1 for the labels
    std::map<std::string, const LayerCost*> costs_;
};

}  // namespace

Drawing draw_net(const NetSpec& spec, const AnalysisOptions& options, const LayerRegistry<float, Cpu>& registry) {
    AnalysisOptions all = options;
    all.rule = CountingRule::ours;
    const Analysis analysis = analyze(spec, all, registry);
    return Artist(spec, analysis).finish();
}

const char* to_string(BoxKind kind) {
    switch (kind) {
        case BoxKind::input:
            return "images";
        case BoxKind::convolution:
            return "convolution";
        case BoxKind::inner_product:
            return "inner product";
        case BoxKind::pooling:
            return "pooling";
        case BoxKind::normalization:
            return "normalisation";
        case BoxKind::elementwise:
            return "elementwise";
        case BoxKind::join:
            return "joins and splits";
        case BoxKind::judge:
            return "loss and accuracy";
        case BoxKind::other:
            return "other";
    }
    return "other";
}

const char* fill_colour(BoxKind kind) {
    switch (kind) {
        case BoxKind::input:
            return "#ffffff";
        case BoxKind::convolution:
            return "#cfe2f7";
        case BoxKind::inner_product:
            return "#e0d4f3";
        case BoxKind::pooling:
            return "#fbdcc0";
        case BoxKind::normalization:
            return "#d3ecd0";
        case BoxKind::elementwise:
            return "#faf1bd";
        case BoxKind::join:
            return "#e2e4e7";
        case BoxKind::judge:
            return "#f6cfcf";
        case BoxKind::other:
            return "#cdeae8";
    }
    return "#ffffff";
}

}  // namespace firecaffe
