// Replaces the sections that the run has changed, and leaves the others to the reader.
const seen = {}, link = new EventSource('events')
let over = false
const say = text => { const e = document.getElementById('link'); if (e) e.textContent = text }
link.onmessage = message => {
	say('')
	for (const section of new DOMParser().parseFromString(message.data, 'text/html').querySelectorAll('section')) {
		if (seen[section.id] === section.outerHTML) continue
		seen[section.id] = section.outerHTML
		document.getElementById(section.id).replaceWith(section)
	}
}
link.addEventListener('end', () => { over = true; link.close(); say('The run has ended; this page is its last.') })
link.onerror = () => { if (!over) say('No connection to the run: it has ended, or cannot be reached. Trying again.') }
