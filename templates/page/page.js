'use strict';
(() => {
    const main = document.querySelector('main');
    const live = document.getElementById('live');
    const from = new URL(location.href);
    let shown = '';     // the last text that was put in place
    let gone = null;    // when the index first didn't answer
    let busy = false;

    from.searchParams.set('main', '');
    from.hash = '';

    // Makes the old node what the fresh one is, and touches no more than differs: so what is
    // focused, selected or opened stays so.
    function morph(old, fresh) {
        if (old.nodeName !== fresh.nodeName) {
            old.replaceWith(fresh);
        } else if (old.nodeType !== Node.ELEMENT_NODE) {
            if (old.data !== fresh.data)
                old.data = fresh.data;
        } else {
            morphAttributes(old, fresh);
            morphChildren(old, fresh);
        }
    }

    function morphAttributes(old, fresh) {
        for (const {name, value} of fresh.attributes)
            if (old.getAttribute(name) !== value)
                old.setAttribute(name, value);
        for (const {name} of [...old.attributes])
            if (name !== 'open' && !fresh.hasAttribute(name))
                old.removeAttribute(name);
    }

    function morphChildren(old, fresh) {
        const had = [...old.childNodes];
        const has = [...fresh.childNodes];

        has.forEach((node, i) => i < had.length ? morph(had[i], node) : old.append(node));
        had.slice(has.length).forEach(node => node.remove());
    }

    function say(text) {
        if (live.textContent !== text)
            live.textContent = text;
        document.body.classList.toggle('gone', gone !== null);
    }

    function show(text) {
        const page = new DOMParser().parseFromString('<main>' + text, 'text/html');

        if (text === shown)
            return;
        shown = text;
        morph(main, page.querySelector('main'));
        document.title = main.querySelector('h1').lastChild.data.trim() + ' \u00b7 mkv';
    }

    async function refresh() {
        if (busy || document.hidden)
            return;
        busy = true;
        try {
            const answer = await fetch(from, {cache: 'no-cache', signal: AbortSignal.timeout(5000)});

            if (!answer.ok)
                throw new Error(`it answers ${answer.status}`);
            show(await answer.text());
            gone = null;
            say('Live');
        } catch (error) {
            gone ??= new Date();
            say(`The index can\u2019t be reached since ${gone.toLocaleTimeString()}` +
                (error.message.startsWith('it ') ? ` (${error.message})` : ''));
        }
        busy = false;
    }

    document.addEventListener('visibilitychange', refresh);
    setInterval(refresh, 1000);
    refresh();
})();
