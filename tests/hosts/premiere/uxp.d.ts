// The modules that UXP gives a panel, as far as ours uses them; fs and os are like Node's.
declare module "uxp" {
  export const entrypoints: { setup(entries: { panels: { [id: string]: { show(): void } } }): void };
}
declare module "premierepro" {
  const premiere: import("@adobe/premierepro").premierepro;
  export = premiere;
}
