// What player_check.py wants to know of the page that plays a call; it runs before the page does.

// window.peaks(): the loudest sample of each side, of what goes to the loudspeakers now
{
  const { connect } = AudioNode.prototype;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target === this.context.destination) {
      const split = this.context.createChannelSplitter(2);
      connect.call(this, split);
      const sides = [0, 1].map((side) => {
        const tap = new AnalyserNode(this.context, { fftSize: 16384 });
        connect.call(split, tap, side);
        return tap;
      });
      window.peaks = () => sides.map((tap) => {
        const samples = new Float32Array(tap.fftSize);
        tap.getFloatTimeDomainData(samples);
        return Math.max(...samples.map(Math.abs));
      });
    }
    return connect.call(this, target, ...rest);
  };
}

// Returns the texts whose contrast with what is behind them is below 4.5.
window.faint = () => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const luminance = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const faint = [];
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
    if (!text || !element.checkVisibility({ visibilityProperty: true }) || element.matches("script, style")) continue;
    const behind = [];
    for (let e = element; e; e = e.parentElement) behind.unshift(getComputedStyle(e).backgroundColor);
    const [text_, back] = [luminance([...behind, getComputedStyle(element).color]), luminance(behind)];
    const contrast = Math.max(text_, back) / Math.min(text_, back);
    if (contrast < 4.5) faint.push(`${text}: ${contrast.toFixed(2)}`);
  }
  return faint;
};

// Returns labels that lie over each other, or over a bar that is not theirs.
window.overlaps = () => {
  const labels = [...document.querySelectorAll(".bar span:not(.hidden), #axis span")].filter((s) => s.textContent);
  const boxes = labels.map((label) => label.getBoundingClientRect());
  const bars = [...document.querySelectorAll(".bar")].filter((bar) => bar.offsetWidth > 5); // the least
  const others = [...labels, ...bars];
  return labels.flatMap((label, i) => others.filter((other) => {
    const [a, b] = [boxes[i], other.getBoundingClientRect()];
    return other !== label && !other.contains(label) &&
      a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  }).map((other) => `${label.textContent} / ${other.textContent || other.className}`));
};
