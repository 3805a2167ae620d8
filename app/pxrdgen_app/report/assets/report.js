/* The 3-D view and the candidate selector of a pxrdgen report. */
(function () {
  "use strict";
  var scenes = JSON.parse(document.getElementById("scenes").textContent);
  var holder = document.getElementById("view");
  var pick = document.getElementById("pick");
  var legend = document.getElementById("legend");
  var viewer = null;

  function hex(value) { return "#" + ("000000" + value.toString(16)).slice(-6); }
  function colour(symbol) {
    var table = $3Dmol.elementColors.Jmol;
    return hex(symbol in table ? table[symbol] : 0xff1493);
  }
  function point(v) { return { x: v[0], y: v[1], z: v[2] }; }
  function add(u, v) { return [u[0] + v[0], u[1] + v[1], u[2] + v[2]]; }
  function times(s, v) { return [s * v[0], s * v[1], s * v[2]]; }
  function dot(u, v) { return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]; }
  function cross(u, v) { return [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]; }
  function unit(v) { return times(1 / Math.sqrt(dot(v, v)), v); }

  /* Quaternion (x, y, z, w) of the rotation that brings `toViewer` to +z and `up` towards +y. */
  function looking(toViewer, up) {
    var z = unit(toViewer), x = unit(cross(up, z)), y = cross(z, x);
    var m = [x, y, z], trace = x[0] + y[1] + z[2], s;
    if (trace > 0) {
      s = 2 * Math.sqrt(trace + 1);
      return [(m[2][1] - m[1][2]) / s, (m[0][2] - m[2][0]) / s, (m[1][0] - m[0][1]) / s, s / 4];
    }
    var i = x[0] > y[1] && x[0] > z[2] ? 0 : y[1] > z[2] ? 1 : 2, j = (i + 1) % 3, k = (i + 2) % 3, q = [0, 0, 0, 0];
    s = 2 * Math.sqrt(1 + m[i][i] - m[j][j] - m[k][k]);
    q[i] = s / 4; q[j] = (m[j][i] + m[i][j]) / s; q[k] = (m[k][i] + m[i][k]) / s; q[3] = (m[k][j] - m[j][k]) / s;
    return q;
  }

  function orient(scene, axis) {
    var b = scene.basis, direction, up;
    if (axis === "home") { /* a little right of and above a, with c upright */
      direction = add(add(unit(b[0]), times(0.42, unit(b[1]))), times(0.25, unit(b[2]))); up = b[2];
    } else { direction = b[+axis]; up = b[(+axis + 2) % 3]; }
    var view = viewer.getView(), q = looking(direction, up);
    viewer.setView([view[0], view[1], view[2], view[3], q[0], q[1], q[2], q[3]]);
    viewer.zoomTo(); viewer.zoom(1.7);
    viewer.render();
  }

  function drawCell(basis) {
    var o = [0, 0, 0], names = ["a", "b", "c"];
    for (var i = 0; i < 3; i++) {
      var j = (i + 1) % 3, k = (i + 2) % 3, corners = [o, basis[j], basis[k], add(basis[j], basis[k])];
      corners.forEach(function (start) {
        viewer.addCylinder({ start: point(start), end: point(add(start, basis[i])), radius: 0.025, color: "#5a6573", fromCap: 1, toCap: 1 });
      });
      viewer.addLabel(names[i], { position: point(times(1 + 1.1 / Math.sqrt(dot(basis[i], basis[i])), basis[i])), fontColor: "#1c2430", fontSize: 17,
        backgroundOpacity: 0, inFront: true, alignment: "center" });
    }
  }

  function draw(scene) {
    viewer.clear();
    var bonds = scene.symbols.map(function () { return []; });
    scene.bonds.forEach(function (pair) { bonds[pair[0]].push(pair[1]); bonds[pair[1]].push(pair[0]); });
    var model = viewer.addModel();
    model.addAtoms(scene.symbols.map(function (symbol, i) {
      var p = scene.positions[i];
      return { elem: symbol, atom: scene.labels[i], x: p[0], y: p[1], z: p[2], serial: i, index: i,
        bonds: bonds[i], bondOrder: bonds[i].map(function () { return 1; }) };
    }));
    Object.keys(scene.radii).forEach(function (symbol) {
      viewer.setStyle({ elem: symbol }, { sphere: { radius: scene.radii[symbol], color: colour(symbol) }, stick: { radius: 0.07, color: "#aeb6c0" } });
    });
    viewer.setHoverable({}, true, function (atom) {
      if (!atom.hover) { atom.hover = viewer.addLabel(atom.atom, { position: atom, backgroundColor: "#1c2430", backgroundOpacity: 0.85, fontColor: "#ffffff", fontSize: 13 }); }
    }, function (atom) {
      if (atom.hover) { viewer.removeLabel(atom.hover); delete atom.hover; }
    });
    drawCell(scene.basis);
    orient(scene, "home");
  }

  function drawLegend(scene) {
    legend.textContent = "";
    Object.keys(scene.radii).forEach(function (symbol) {
      var entry = document.createElement("span"), ball = document.createElement("b");
      ball.style.backgroundColor = colour(symbol);
      entry.appendChild(ball); entry.appendChild(document.createTextNode(symbol)); legend.appendChild(entry);
    });
  }

  /* The wheel scrolls the page until the view has been clicked; then it zooms, as long as the pointer stays inside. */
  function tameWheel() {
    var zooming = false;
    holder.addEventListener("pointerdown", function () { zooming = true; }, true);
    holder.addEventListener("pointerleave", function () { zooming = false; });
    ["wheel", "mousewheel", "DOMMouseScroll"].forEach(function (name) {
      holder.addEventListener(name, function (event) { if (!zooming && !event.ctrlKey) { event.stopPropagation(); } }, true);
    });
  }

  function show(index) {
    pick.value = String(index);
    document.querySelectorAll("article[data-candidate]").forEach(function (article) { article.hidden = article.dataset.candidate !== String(index); });
    document.querySelectorAll("tr[data-row]").forEach(function (row) { row.classList.toggle("chosen", row.dataset.row === String(index)); });
    if (viewer) { drawLegend(scenes[index]); draw(scenes[index]); }
  }

  try {
    var probe = document.createElement("canvas");
    if (probe.getContext("webgl2") || probe.getContext("webgl")) {
      holder.textContent = "";
      viewer = $3Dmol.createViewer(holder, { backgroundColor: "white", orthographic: true, antialias: true, disableFog: true });
      tameWheel();
    }
  } catch (problem) {
    viewer = null;
    holder.textContent = "The 3-D view could not start (" + problem.message + "). The CIF beside this page opens in any structure viewer.";
  }
  pick.addEventListener("change", function () { show(+pick.value); });
  document.querySelectorAll("button[data-candidate]").forEach(function (button) {
    button.addEventListener("click", function () { show(+button.dataset.candidate); document.getElementById("structure").scrollIntoView({ behavior: "smooth" }); });
  });
  document.querySelectorAll("button[data-axis]").forEach(function (button) {
    button.addEventListener("click", function () { if (viewer) { orient(scenes[+pick.value], button.dataset.axis); } });
  });
  show(0);
})();
