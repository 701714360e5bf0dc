// SPDX-License-Identifier: Apache-2.0
// A drawing as SVG and as text for Graphviz.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "analysis/box_style.hpp"
#include "firecaffe/analysis/drawing.hpp"

namespace firecaffe {

namespace {

using analysis::kLineHeight;
using analysis::kPadding;

constexpr double kMargin = 24, kTitleHeight = 30, kLegendHeight = 34;

/// Safe inside of XML text and attributes; control characters, which XML does not allow, become spaces.
std::string xml(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
        }
    }
    return out;
}

/// Safe inside of a quoted string of Graphviz.
std::string quoted(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out;
}

std::string path_of(const std::vector<DrawnPoint>& route) {
    std::string out = fmt::format("M{:.1f} {:.1f}", route[0].x, route[0].y);
    for (std::size_t i = 1; i < route.size(); ++i) {
        const DrawnPoint from = route[i - 1], to = route[i];
        if (i % 2 == 1) {
            out += fmt::format("V{:.1f}", to.y);
        } else {
            const double middle = (from.y + to.y) / 2;
            out += fmt::format("C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}", from.x, middle, to.x, middle, to.x, to.y);
        }
    }
    return out;
}

std::string svg_box(const DrawnBox& box) {
    std::string out = fmt::format(
        "<g><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"5\" fill=\"{}\" "
        "stroke=\"#55606b\"/>\n",
        box.corner.x, box.corner.y, box.width, box.height, fill_colour(box.kind));
    double y = box.corner.y + kPadding + 0.75 * kLineHeight;
    for (std::size_t i = 0; i < box.lines.size(); ++i, y += kLineHeight)
        out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>\n", box.corner.x + box.width / 2, y,
                           i == 0 ? " class=\"name\"" : "", xml(box.lines[i]));
    return out + "</g>\n";
}

/// One row of the kinds that occur; `width` receives how wide it is.
std::string legend(const Drawing& drawing, double& width) {
    std::set<BoxKind> kinds;
    for (const DrawnBox& box : drawing.boxes) kinds.insert(box.kind);
    std::string out;
    double x = 0;
    for (const BoxKind kind : kinds) {
        const std::string label = to_string(kind);
        out += fmt::format(
            "<rect x=\"{:.1f}\" y=\"0\" width=\"14\" height=\"14\" rx=\"3\" fill=\"{}\" stroke=\"#55606b\"/>\n"
            "<text x=\"{:.1f}\" y=\"11.5\" class=\"left\">{}</text>\n",
            x, fill_colour(kind), x + 20, label);
        x += 40 + 7.1 * static_cast<double>(label.size());
    }
    width = x;
    return out;
}

}  // namespace

std::string to_svg(const Drawing& d) {
    double legend_width = 0;
    const std::string kinds = legend(d, legend_width);
    const double content = std::max({d.size.x, legend_width, 10.0 * static_cast<double>(d.title.size())});
    const double width = content + 2 * kMargin;
    const double above = kMargin + kTitleHeight + kLegendHeight, height = above + d.size.y + kMargin;
    std::string out = fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
        "{1:.0f}\">\n"
        "<title>{2}</title>\n"
        "<style>text{{font:12px 'DejaVu Sans',Verdana,sans-serif;text-anchor:middle;fill:#1d2329}}"
        ".name{{font-weight:bold}}.left{{text-anchor:start}}.title{{font-size:16px;font-weight:bold;text-anchor:start}}"
        ".edge{{fill:none;stroke:#55606b;stroke-width:1.3}}</style>\n"
        "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
        "orient=\"auto\"><path d=\"M0 0.8L8 4L0 7.2z\" fill=\"#55606b\"/></marker></defs>\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        "<text class=\"title\" x=\"{3:.1f}\" y=\"{4:.1f}\">{2}</text>\n"
        "<g transform=\"translate({3:.1f} {5:.1f})\">\n{6}</g>\n",
        width, height, xml(d.title), kMargin, kMargin + 12, kMargin + kTitleHeight, kinds);
    out += fmt::format("<g transform=\"translate({:.1f} {:.1f})\">\n", (width - d.size.x) / 2, above);
    for (const DrawnEdge& edge : d.edges)
        out += fmt::format("<path class=\"edge\" marker-end=\"url(#tip)\" d=\"{}\"/>\n", path_of(edge.route));
    for (const DrawnBox& box : d.boxes) out += svg_box(box);
    return out + "</g>\n</svg>\n";
}

std::string to_dot(const Drawing& d) {
    std::string out = fmt::format(
        "digraph \"{0}\" {{\n  label=\"{0}\"; labelloc=t; fontname=\"sans-serif\";\n"
        "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontsize=11];\n",
        quoted(d.title));
    for (std::size_t i = 0; i < d.boxes.size(); ++i) {
        std::string label;
        for (const std::string& line : d.boxes[i].lines) label += (label.empty() ? "" : "\\n") + quoted(line);
        out += fmt::format("  n{} [label=\"{}\", fillcolor=\"{}\"];\n", i, label, fill_colour(d.boxes[i].kind));
    }
    for (const DrawnEdge& edge : d.edges) out += fmt::format("  n{} -> n{};\n", edge.from, edge.to);
    return out + "}\n";
}

}  // namespace firecaffe
