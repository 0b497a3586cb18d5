// What Python answers to `model.send({ file })` in a notebook, a file beside the script gives in a built page. The model
// tells its listeners `{file, content}`, without content where there is none.
const pageHome = document.currentScript?.src || location.href; // there is a current script only now

export function pageFile(model, { file }) {
  const content = () => window.cnnlibFiles?.[file];
  const answer = () => model.dispatchEvent(Object.assign(new Event("msg:custom"), { file, content: content() }));
  if (content()) answer();
  else document.head.append(ui.h("script", { src: new URL(`${file}.js`, pageHome), load: answer, error: answer }));
}
