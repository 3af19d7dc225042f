// The text on the page whose contrast with what is behind it is less than WCAG 2.1's AA asks for
// (section 1.4.3): 4.5, or 3 where it is large.
(() => {
    const parse = colour => colour.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = parse(getComputedStyle(e).backgroundColor);
            if (colour.length === 3 || colour[3] === 1)
                return colour;
        }
        return [255, 255, 255];
    };
    const bad = [];
    for (const e of document.body.querySelectorAll('*')) {
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length ||
            e.closest('script, style, noscript'))
            continue;
        const style = getComputedStyle(e);
        const [a, b] = [light(parse(style.color)), light(behind(e))].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5))
            bad.push(`${e.tagName} ${e.className} "${e.textContent.slice(0, 20)}"`);
    }
    return bad.join('\n');
})()
