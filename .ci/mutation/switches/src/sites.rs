//! What surrounds the places that mutants change, in bytes of the file.

use std::collections::BTreeMap;
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, BinOp, Expr, ExprBinary, ExprStruct, ExprUnary, File, ImplItemFn, ItemFn, Signature};

#[derive(Default)]
pub struct Sites {
    /// The whole expression, by where its operator starts, or the field of a struct literal with a base.
    pub expressions: BTreeMap<usize, Range<usize>>,
    /// Where the pattern of a match arm ends, by where the arm starts.
    pub arms: BTreeMap<usize, usize>,
    pub constant: Vec<ConstantFunction>,
}

pub struct ConstantFunction {
    pub name: String,
    /// The word `const`.
    pub word: Range<usize>,
    pub body: Range<usize>,
}

impl Sites {
    pub fn of(file: &File) -> Self {
        let mut sites = Self::default();
        sites.visit_file(file);
        sites
    }

    fn note_function(&mut self, signature: &Signature, body: Range<usize>) {
        if let Some(word) = &signature.constness {
            self.constant.push(ConstantFunction {
                name: signature.ident.to_string(),
                word: word.span().byte_range(),
                body,
            });
        }
    }
}

impl<'ast> Visit<'ast> for Sites {
    fn visit_expr_binary(&mut self, expression: &'ast ExprBinary) {
        if !(matches!(expression.op, BinOp::And(_)) && has_let(expression)) {
            self.expressions.insert(start(&expression.op), bytes(expression));
        }
        visit::visit_expr_binary(self, expression);
    }

    fn visit_expr_unary(&mut self, expression: &'ast ExprUnary) {
        self.expressions.insert(start(&expression.op), bytes(expression));
        visit::visit_expr_unary(self, expression);
    }

    fn visit_expr_struct(&mut self, expression: &'ast ExprStruct) {
        if expression.rest.is_some() {
            for field in &expression.fields {
                self.expressions.insert(start(field), bytes(expression));
            }
        }
        visit::visit_expr_struct(self, expression);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        self.arms.insert(start(arm), bytes(&arm.pat).end);
        visit::visit_arm(self, arm);
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.note_function(&function.sig, bytes(&*function.block));
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.note_function(&function.sig, bytes(&function.block));
        visit::visit_impl_item_fn(self, function);
    }
}

/// Whether this is part of a chain with `let`, which cannot stand in parentheses.
fn has_let(expression: &ExprBinary) -> bool {
    [&expression.left, &expression.right].into_iter().any(|side| match &**side {
        Expr::Let(_) => true,
        Expr::Binary(inner) => matches!(inner.op, BinOp::And(_)) && has_let(inner),
        _ => false,
    })
}

fn start(node: &impl Spanned) -> usize {
    bytes(node).start
}

fn bytes(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}
